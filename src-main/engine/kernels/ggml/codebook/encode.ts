// Door of assembly/ggml-codebook.ts.
import type { Arena } from '../../arena.ts'
import { openKernel } from '../../load.ts'
import { ggmlTypes } from '../types.ts'
import { type CodebookType, codebookLayout, codebookLayouts } from './layout.ts'

interface CodebookExports {
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

const kinds = Object.keys(codebookLayouts)
let kernel: Arena<CodebookExports> | null = null

/** Blocks of [rows, cols] weights, row after row; cols is a multiple of 256. `importance` is [cols]. */
export function encodeCodebook(
  type: CodebookType,
  weights: Float32Array,
  cols: number,
  importance: Float32Array,
): Uint8Array {
  const { book, run, base, step, evenSigns } = codebookLayout(type)
  const { words, dims, levels, digits } = book
  const { blockBytes } = ggmlTypes[type]
  const rows = weights.length / cols
  const bytes = (weights.length / 256) * blockBytes
  const arena = (kernel ??= openKernel<CodebookExports>('ggml-codebook'))
  const { exports } = arena
  const lengths = [weights.length * 4, cols * 4, bytes, exports.scratchBytes(words, dims)]
  const [x = 0, h = 0, out = 0, scratch = 0] = arena.lay(...lengths)
  arena.floats(x, weights.length).set(weights)
  arena.floats(h, cols).set(importance)
  arena.bytes(scratch, digits.length).set(digits)
  arena.floats(scratch + Math.ceil(digits.length / 16) * 16, levels.length).set(levels)
  exports.configure(kinds.indexOf(type), words, dims, levels.length, run, base, step, Number(evenSigns))
  exports.encodeRows(x, h, out, rows, cols, blockBytes, scratch)
  return arena.bytes(out, bytes).slice()
}
