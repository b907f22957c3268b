// Door of assembly/ggml-codebook.ts.
import type { Arena } from '../../arena.ts'
import { type CodebookExports, type CodebookSettings, encodeWithBook } from '../../codebook-job.ts'
import { openKernel } from '../../load.ts'
import { ggmlTypes } from '../types.ts'
import { type CodebookType, codebookLayout, codebookLayouts } from './layout.ts'

const kinds = Object.keys(codebookLayouts)
let kernel: Arena<CodebookExports> | null = null

export function codebookSettings(type: CodebookType): CodebookSettings {
  const { book, run, base, step, evenSigns } = codebookLayout(type)
  const { words, dims, digits } = book
  const levels = Float32Array.from(book.levels)
  const { blockBytes } = ggmlTypes[type]
  return { kind: kinds.indexOf(type), words, dims, digits, levels, run, base, step, evenSigns, blockBytes }
}

/** Blocks of [rows, cols] weights, row after row; cols is a multiple of 256. `importance` is [cols]. */
export function encodeCodebook(
  type: CodebookType,
  weights: Float32Array,
  cols: number,
  importance: Float32Array,
): Uint8Array {
  kernel ??= openKernel<CodebookExports>('ggml-codebook')
  return encodeWithBook(kernel, codebookSettings(type), weights, cols, importance).slice()
}
