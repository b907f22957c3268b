import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { RunningServer } from './serve.ts'

export interface Foreground {
  input: Readable & { isTTY?: boolean }
  output: Writable // the person's terminal; the link goes here and nowhere else
  /** Settles when the person ends the server. */
  stopped: Promise<void>
}

/** Serves until the person stops it: says where, and gives a new one-time link at each Enter. Closes the server. */
export async function serveInForeground(server: RunningServer, { input, output, stopped }: Foreground): Promise<void> {
  const say = (text: string): void => void output.write(`${text}\n`)
  say(server.opened ? 'Lathe opens in your browser. If it does not, open this link once:' : 'Open this link once:')
  say(`  ${server.url}`)
  say(`Ctrl+C stops Lathe.${input.isTTY ? ' Enter gives a new link.' : ''}`)
  const lines = input.isTTY ? createInterface({ input }) : null
  lines?.on('line', () => say(`  ${server.link()}`))
  try {
    await stopped
  } finally {
    lines?.close()
    await server.close()
  }
}
