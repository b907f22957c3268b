// Codes of GGUF blocks under a Hessian, some rows of one block of columns. Imports nothing but the arena: the pool's worker
// loads this file on its own.
import type { Arena } from './arena.ts'

type Work = (
  settings: number,
  target: number,
  metric: number,
  blocks: number,
  out: number,
  rows: number,
  stride: number,
  blockBytes: number,
  scratch: number,
  moves: number,
) => void

export interface FeedbackExports {
  scratchBytes(n: number): number
  feedback: Work
  refine: Work
  codes(
    settings: number,
    blocks: number,
    values: number,
    count: number,
    blockBytes: number,
    scratch: number,
    back: number,
  ): void
}

export const feedbackKernels = ['ggml-feedback', 'ggml-feedback-book'] as const

/** Arrays are shared memory where threads take part. */
export interface FeedbackRows {
  kernel: (typeof feedbackKernels)[number]
  work: 'feedback' | 'refine'
  settings: Uint8Array // ggml/feedback/fields.ts
  scratchFor: number
  moves: number // scales tried for each group
  rows: number
  rowsPerChunk: number
  size: number // columns of the block
  blockBytes: number
  target: Float32Array // [size, rows] fed-back weights, or (W - Q) H
  metric: Float32Array // [size, size] U, or H
  blocks: Uint8Array // [rows, blockBytes], taken and given
  out: Float32Array // [size, rows] takes the errors E, or is W - Q and follows the codes
}

export function feedbackChunk(kernel: Arena<FeedbackExports>, task: FeedbackRows, chunk: number): number {
  const { settings, size, blockBytes, moves } = task
  const begin = chunk * task.rowsPerChunk
  const end = Math.min(begin + task.rowsPerChunk, task.rows)
  const rows = end - begin
  const stride = Math.ceil(rows / 4) * 4
  const matrix = stride * size * 4
  const scratchBytes = kernel.exports.scratchBytes(task.scratchFor)
  const lengths = [settings.length, matrix, size * size * 4, rows * blockBytes, matrix, scratchBytes]
  const [a = 0, target = 0, metric = 0, blocks = 0, out = 0, scratch = 0] = kernel.lay(...lengths)
  kernel.bytes(a, settings.length).set(settings)
  kernel.floats(metric, size * size).set(task.metric)
  kernel.bytes(blocks, rows * blockBytes).set(task.blocks.subarray(begin * blockBytes, end * blockBytes))
  const [inside, outside] = [kernel.floats(target, stride * size), kernel.floats(out, stride * size)]
  if (stride > rows) inside.fill(0)
  for (let i = 0; i < size; i++) {
    inside.set(task.target.subarray(i * task.rows + begin, i * task.rows + end), i * stride)
    outside.set(task.out.subarray(i * task.rows + begin, i * task.rows + end), i * stride)
  }
  kernel.exports[task.work](a, target, metric, blocks, out, rows, stride, blockBytes, scratch, moves)
  task.blocks.set(kernel.bytes(blocks, rows * blockBytes), begin * blockBytes)
  for (let i = 0; i < size; i++) task.out.set(outside.subarray(i * stride, i * stride + rows), i * task.rows + begin)
  return -1
}
