import type { Transport } from '../../src-preload/contract/client.ts'

/** What the preload script puts on the window in the desktop app. */
export interface Bridge extends Transport {
  readonly door: string
  /** Absolute path of a dropped file; a browser never tells. */
  pathOf(file: File): string
}

declare global {
  interface Window {
    lathe?: Bridge
  }
}
