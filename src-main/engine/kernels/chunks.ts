// Imports nothing but its neighbours: the pool's worker loads this file on its own.
import type { Arena } from './arena.ts'
import { type BlockExports, type BlockRows, encodeBookChunk, encodeChunk } from './block-job.ts'
import { feedbackChunk, type FeedbackExports, feedbackKernels, type FeedbackRows } from './block-feedback-job.ts'
import type { CodebookExports } from './codebook-job.ts'
import { columnChunk, type ColumnExports, type ColumnRows } from './columns-job.ts'
import { type GridsExports, type GridsRows, gridsChunk } from './grids-job.ts'
import { levelChunk, type LevelRows, type LevelsExports } from './levels-job.ts'
import { type GridRows, quantizeChunk, type QuantizeExports } from './search.ts'
import { sparseColumnChunk, type SparseColumnExports, type SparseColumnRows } from './sparse-columns-job.ts'
import { vectorChunk, vectorKernels, type VectorRows } from './vectors-job.ts'

/** A thread's own instance of a kernel, opened once. */
export type OpenKernel = (name: string) => Arena<unknown>

export const threadKernels = [
  'quantize',
  'linear-columns',
  'ggml-encode',
  'ggml-codebook',
  'levels',
  'grids',
  'pvq',
  'kmeans',
  'select',
  'sparse-columns',
  ...feedbackKernels,
] as const

export type Job =
  | { job: 'quantize'; rows: GridRows }
  | { job: 'blocks'; rows: BlockRows }
  | { job: 'levels'; rows: LevelRows }
  | { job: 'grids'; rows: GridsRows }
  | { job: 'feedback'; rows: FeedbackRows }
  | { job: 'vectors'; rows: VectorRows }
  | { job: 'columns'; rows: ColumnRows }
  | { job: 'sparse-columns'; rows: SparseColumnRows }

/** One job shared among threads. They claim chunks with an atomic counter. */
export type Task = Job & {
  next: Int32Array // [1] next chunk to claim
  staged: Int32Array // [1] chunks that can be worked on, and CLOSED once there will be no more
  states: Int32Array // [chunks] 0 open, DONE, or BAD
  bad: Float64Array // [chunks] flat index of the first weight that does not fit
}

export const DONE = 1
export const BAD = 2
export const CLOSED = 2 ** 30

/** Works on chunks until none is left to claim. */
export function runChunks(open: OpenKernel, task: Task): void {
  for (;;) {
    const chunk = Atomics.add(task.next, 0, 1)
    if (!isThere(task.staged, chunk)) return
    runChunk(open, task, chunk)
  }
}

/** Waits until the chunk can be worked on; false when there will be no such chunk. */
function isThere(staged: Int32Array, chunk: number): boolean {
  for (;;) {
    const value = Atomics.load(staged, 0)
    if (chunk < (value & (CLOSED - 1))) return true
    if ((value & CLOSED) !== 0) return false
    Atomics.wait(staged, 0, value)
  }
}

/** One chunk's work: the flat index of the first weight that does not fit, or -1. Every chunk is independent of the others,
 *  so any number of threads gives the same bytes. */
function workOn(open: OpenKernel, task: Task, chunk: number): number {
  if (task.job === 'vectors') return vectorChunk(open(vectorKernels[task.rows.kind]), task.rows, chunk)
  if (task.job === 'quantize') return quantizeChunk(open('quantize') as Arena<QuantizeExports>, task.rows, chunk)
  if (task.job === 'levels') return levelChunk(open('levels') as Arena<LevelsExports>, task.rows, chunk)
  if (task.job === 'feedback') return feedbackChunk(open(task.rows.kernel) as Arena<FeedbackExports>, task.rows, chunk)
  if (task.job === 'columns') return columnChunk(open('linear-columns') as Arena<ColumnExports>, task.rows, chunk)
  if (task.job === 'sparse-columns')
    return sparseColumnChunk(open('sparse-columns') as Arena<SparseColumnExports>, task.rows, chunk)
  if (task.job === 'grids') return gridsChunk(open('grids') as Arena<GridsExports>, task.rows, chunk)
  const kernel = open('ggml-encode') as Arena<BlockExports>
  const { rows } = task
  const { codebook } = rows
  if (codebook === null) return encodeChunk(kernel, rows, chunk)
  return encodeBookChunk(kernel, open('ggml-codebook') as Arena<CodebookExports>, { ...rows, codebook }, chunk)
}

export function runChunk(open: OpenKernel, task: Task, chunk: number): void {
  const bad = workOn(open, task, chunk)
  task.bad[chunk] = bad
  Atomics.store(task.states, chunk, bad < 0 ? DONE : BAD)
  Atomics.notify(task.states, chunk)
}
