import { inGigabytes } from './memory.ts'

/** What is known when the engine process is found dead. */
export interface Death {
  code: number | null
  signal: NodeJS.Signals | null
  /** The end of what it wrote to standard error. */
  lastWords: string
  peakBytes: number | null
  /** Whether the kernel's count of out-of-memory kills grew while it lived. */
  outOfMemory: boolean
  ready: boolean
}

const meanings: Partial<Record<NodeJS.Signals, string>> = {
  SIGSEGV: 'it touched memory that is not its own: usually a defect in a driver or in native code',
  SIGABRT: 'native code gave up, often because an allocation failed',
  SIGBUS: 'a file it was reading was cut short, or the disk failed',
  SIGILL: 'this processor lacks an instruction that native code used',
  SIGFPE: 'native code divided by zero',
  SIGTERM: 'somebody asked it to end',
}

/** Why the engine ended, in one plain sentence without a full stop. */
export function describeDeath(death: Death): string {
  const peak = death.peakBytes === null ? '' : `, last seen using ${inGigabytes(death.peakBytes)}`
  const words = lastLine(death.lastWords)
  const said = words === '' ? '' : `; its last words: ${words}`
  if (death.signal === 'SIGKILL')
    return death.outOfMemory
      ? `the system ended it because memory ran out (SIGKILL${peak})`
      : `it was killed from outside (SIGKILL${peak}), perhaps because memory ran out`
  if (death.signal !== null) {
    const meaning = meanings[death.signal]
    return `it ended with ${death.signal}${meaning === undefined ? '' : ` (${meaning})`}${peak}${said}`
  }
  if (!death.ready) return `it could not start (exit code ${death.code ?? 'unknown'})${said}`
  return `it ended by itself in the middle of its work (exit code ${death.code ?? 'unknown'})${peak}${said}`
}

const lastLine = (text: string): string => {
  const lines = text.split('\n').map((line) => line.trim())
  const telling = lines.filter((line) => line !== '' && !line.startsWith('at ') && !line.startsWith('Node.js v'))
  return (telling.find((line) => /error/i.test(line)) ?? telling.at(-1) ?? '').slice(0, 300)
}
