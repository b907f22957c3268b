// Encodes rows of weights into blocks of a GGUF type. Imports nothing but its neighbours: the pool's worker loads this file
// on its own.
import type { Arena } from './arena.ts'
import { type CodebookExports, type CodebookSettings, encodeWithBook } from './codebook-job.ts'

export interface BlockExports {
  configure(trials: number, rounds: number, outer: number, reach: number): number
  spreadImportance(type: number, from: number, to: number, length: number): void
  encode(
    type: number,
    kind: number,
    source: number,
    importance: number,
    out: number,
    rows: number,
    cols: number,
    limit: number,
  ): number
}

/** Rows to encode and where the blocks go. */
export interface BlockRows {
  type: number // ggml's number of the type
  kind: number // of the source bytes: 0 float32, 1 float16, 2 bfloat16
  rows: number
  cols: number
  rowsPerChunk: number
  sourceRowBytes: number
  blockRowBytes: number
  source: Uint8Array // [rows, cols], shared memory where threads take part
  blocks: Uint8Array
  importance: Float32Array | null // [cols]; null: all weights alike
  trials: Float32Array
  trialCount: number
  rounds: number
  outer: number
  reach: number
  limit: number // float32 bits of the largest magnitude that the type holds
  codebook: CodebookSettings | null // for the types that have one
}

const SEGMENT = 1024 // weights that the kernel reads at a time
const F32 = 0 // the kernel's type that only converts

/** By code book, after the weights have become float32. Returns as encodeChunk. */
export function encodeBookChunk(
  kernel: Arena<BlockExports>,
  bookKernel: Arena<CodebookExports>,
  task: BlockRows & { codebook: CodebookSettings },
  chunk: number,
): number {
  const begin = chunk * task.rowsPerChunk
  const rows = Math.min(task.rowsPerChunk, task.rows - begin)
  const { cols, sourceRowBytes, blockRowBytes } = task
  const [source = 0, out = 0] = kernel.lay(rows * sourceRowBytes, rows * cols * 4)
  kernel
    .bytes(source, rows * sourceRowBytes)
    .set(task.source.subarray(begin * sourceRowBytes, (begin + rows) * sourceRowBytes))
  const bad = kernel.exports.encode(F32, task.kind, source, 0, out, 1, rows * cols, task.limit)
  if (bad >= 0) return begin * cols + bad
  const weights = kernel.floats(out, rows * cols)
  task.blocks.set(encodeWithBook(bookKernel, task.codebook, weights, cols, task.importance), begin * blockRowBytes)
  return -1
}

/** Returns the flat index of the first weight that the type cannot hold, or -1. */
export function encodeChunk(kernel: Arena<BlockExports>, task: BlockRows, chunk: number): number {
  const begin = chunk * task.rowsPerChunk
  const end = Math.min(begin + task.rowsPerChunk, task.rows)
  const { cols, importance, sourceRowBytes, blockRowBytes } = task
  const rows = end - begin
  const padded = Math.ceil(cols / SEGMENT) * SEGMENT
  const weighted = importance === null ? 0 : padded * 4
  const lengths = [rows * sourceRowBytes, rows * blockRowBytes, weighted, weighted]
  const [source = 0, out = 0, plain = 0, spread = 0] = kernel.lay(...lengths)
  kernel.bytes(source, rows * sourceRowBytes).set(task.source.subarray(begin * sourceRowBytes, end * sourceRowBytes))
  const trials = kernel.exports.configure(task.trialCount, task.rounds, task.outer, task.reach)
  kernel.floats(trials, task.trials.length).set(task.trials)
  let bad: number
  if (importance === null) {
    // Blocks do not depend on each other: all rows are one.
    bad = kernel.exports.encode(task.type, task.kind, source, 0, out, 1, rows * cols, task.limit)
  } else {
    const values = kernel.floats(plain, padded)
    values.set(importance)
    values.fill(0, cols)
    kernel.exports.spreadImportance(task.type, plain, spread, padded)
    bad = kernel.exports.encode(task.type, task.kind, source, spread, out, rows, cols, task.limit)
  }
  if (bad >= 0) return begin * cols + bad
  task.blocks.set(kernel.bytes(out, rows * blockRowBytes), begin * blockRowBytes)
  return -1
}
