// The same model is saved with and without the name of its outer class in front of its tensors.
import type { Names } from './define.ts'

/** The prefix under which a checkpoint holds `probe`; the first one where nothing is known yet. */
export const prefixOf = (names: Names | undefined, prefixes: readonly string[], probe: string): string =>
  prefixes.find((prefix) => names?.has(prefix + probe)) ?? prefixes[0] ?? ''
