// Imports nothing but its neighbours: the pool's worker loads this file on its own.
import type { Arena } from './arena.ts'
import { type GridSettings, quantizeRows, type QuantizeExports, type RowBlock } from './search.ts'

/** One block shared among threads. Threads claim chunks of rows with an atomic counter; every chunk is independent. */
export interface Task {
  settings: GridSettings
  block: RowBlock // over shared memory
  rowsPerChunk: number
  next: Int32Array // [1] next chunk to claim
  states: Int32Array // [chunks] 0 open, DONE, or BAD
  bad: Float64Array // [chunks] flat index of the first weight that is not finite
}

export const DONE = 1
export const BAD = 2

/** Works on chunks until none is left to claim. */
export function runChunks(kernel: Arena<QuantizeExports>, task: Task): void {
  for (;;) {
    const chunk = Atomics.add(task.next, 0, 1)
    if (chunk >= task.states.length) return
    runChunk(kernel, task, chunk)
  }
}

export function runChunk(kernel: Arena<QuantizeExports>, task: Task, chunk: number): void {
  const begin = chunk * task.rowsPerChunk
  const bad = quantizeRows(
    kernel,
    task.settings,
    task.block,
    begin,
    Math.min(begin + task.rowsPerChunk, task.block.rows),
  )
  task.bad[chunk] = bad
  Atomics.store(task.states, chunk, bad < 0 ? DONE : BAD)
  Atomics.notify(task.states, chunk)
}
