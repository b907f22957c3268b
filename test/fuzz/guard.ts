// A fuzz loop under a watchdog: one run that lasts too long, or a process that dies, becomes a find.
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readBoard } from './board.ts'
import { type Find, type FuzzReport, limits } from './loop.ts'

// The loop itself judges 2 s; the watchdog is for what never comes back, and must not mistake a busy machine for that.
const defaultHangMs = 5 * limits.runMs
const lookEveryMs = 250
const heapMegabytes = 512

export interface GuardOptions {
  runs: number
  seed: number
  hangMs?: number
  onRun?(run: number): void
}

/** The loop's own report, or the find that ended it. */
export async function guardedFuzz(target: string, options: GuardOptions): Promise<FuzzReport | Find> {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-fuzz-'))
  const board = join(folder, 'board')
  writeFileSync(board, '')
  try {
    return await watch(target, options, board)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function watch(target: string, options: GuardOptions, board: string): Promise<FuzzReport | Find> {
  const { runs, seed, onRun, hangMs = defaultHangMs } = options
  const child = fork(join(import.meta.dirname, 'child.ts'), [target, String(runs), String(seed), board], {
    execArgv: [`--max-old-space-size=${heapMegabytes}`],
    serialization: 'advanced', // mutants are bytes
    silent: true,
  })
  let words = ''
  child.stderr?.on('data', (chunk: Buffer) => (words = (words + chunk.toString()).slice(0, 4000)))
  return new Promise((resolve, reject) => {
    const find = (what: string): Find | null => {
      const last = readBoard(board)
      return last && { target, seed, run: last.run, what, mutant: last.mutant }
    }
    const settle = (end: () => void) => {
      clearInterval(watching)
      child.removeAllListeners()
      child.kill('SIGKILL')
      end()
    }
    const watching = setInterval(() => {
      const last = readBoard(board)
      if (!last) return
      onRun?.(last.run)
      const lasts = Date.now() - last.beganAt
      const hung = lasts > hangMs ? find(`did not come back within ${lasts} ms`) : null
      if (hung) settle(() => resolve(hung))
    }, lookEveryMs)
    child.once('message', (report) => settle(() => resolve(report as FuzzReport)))
    child.once('exit', (code, signal) => {
      const how = /heap (limit|out of memory)/.test(words)
        ? 'ran out of memory'
        : `the process ended (${signal ?? code})`
      const died = find(how)
      settle(() => (died ? resolve(died) : reject(new Error(`${target}: ${how}: ${words}`))))
    })
  })
}
