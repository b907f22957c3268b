// What the fuzzing process leaves behind in a file, before every run, for the watchdog that outlives it: a hang, a memory
// limit or a native crash leaves no chance to say anything afterwards. A few microseconds a run in the page cache.
//   | run u32 | length of the mutant u32 | when the run began, ms of the system clock, f64 | mutant |
import { readFileSync, writeSync } from 'node:fs'

const headBytes = 16

export function writeBoard(descriptor: number, run: number, mutant: Uint8Array): void {
  const record = new Uint8Array(headBytes + mutant.length)
  const head = new DataView(record.buffer)
  head.setUint32(0, run)
  head.setUint32(4, mutant.length)
  head.setFloat64(8, Date.now())
  record.set(mutant, headBytes)
  writeSync(descriptor, record, 0, record.length, 0)
}

export function readBoard(path: string): { run: number; beganAt: number; mutant: Uint8Array } | null {
  const bytes = readFileSync(path)
  if (bytes.length < headBytes) return null
  return {
    run: bytes.readUInt32BE(0),
    beganAt: bytes.readDoubleBE(8),
    mutant: bytes.subarray(headBytes, headBytes + bytes.readUInt32BE(4)),
  }
}
