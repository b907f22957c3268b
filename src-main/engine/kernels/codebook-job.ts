// Encodes rows of float32 weights with a code book. Imports nothing but the arena: the pool's worker loads this file on its
// own.
import type { Arena } from './arena.ts'

export interface CodebookExports {
  scratchBytes(words: number, dims: number): number
  configure(
    kind: number,
    words: number,
    dims: number,
    levels: number,
    run: number,
    base: number,
    step: number,
    even: number,
  ): void
  encodeRows(x: number, h: number, out: number, rows: number, cols: number, blockBytes: number, scratch: number): void
}

/** What the kernel is told about a type: see ggml/codebook/layout.ts. */
export interface CodebookSettings {
  kind: number
  words: number
  dims: number
  digits: Uint8Array // [words, dims]
  levels: Float32Array
  run: number
  base: number
  step: number
  evenSigns: boolean
  blockBytes: number
}

/** Blocks of [rows, cols] weights, row after row; cols is a multiple of 256. The result is a view that the next call ends. */
export function encodeWithBook(
  kernel: Arena<CodebookExports>,
  settings: CodebookSettings,
  weights: Float32Array,
  cols: number,
  importance: Float32Array | null, // [cols]; null: all weights alike
): Uint8Array {
  const { kind, words, dims, digits, levels, run, base, step, evenSigns, blockBytes } = settings
  const { exports } = kernel
  const bytes = (weights.length / 256) * blockBytes
  const lengths = [weights.length * 4, cols * 4, bytes, exports.scratchBytes(words, dims)]
  const [x = 0, h = 0, out = 0, scratch = 0] = kernel.lay(...lengths)
  kernel.floats(x, weights.length).set(weights)
  if (importance) kernel.floats(h, cols).set(importance)
  else kernel.floats(h, cols).fill(1)
  kernel.bytes(scratch, digits.length).set(digits)
  kernel.floats(scratch + Math.ceil(digits.length / 16) * 16, levels.length).set(levels)
  exports.configure(kind, words, dims, levels.length, run, base, step, Number(evenSigns))
  exports.encodeRows(x, h, out, weights.length / cols, cols, blockBytes, scratch)
  return kernel.bytes(out, bytes)
}
