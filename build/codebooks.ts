// Writes src-main/engine/kernels/ggml/codebook/tables.ts: the code books of GGUF's IQ types, read off llama.cpp's own
// decoder (npm package @node-llama-cpp/linux-x64) by decoding blocks that name one codeword after the other.
//   node build/codebooks.ts
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { GgmlType } from '../src-main/engine/kernels/ggml/types.ts'
import { ggmlTypes } from '../src-main/engine/kernels/ggml/types.ts'
import { ggmlDequantize } from '../test/helpers/ggml.ts'

interface Book {
  id: string
  type: GgmlType
  words: number
  dims: number
  levels: number[]
  /** A block whose first codeword is `word`, with all signs positive. */
  put(block: Uint8Array, word: number): void
  /** Level from the first decoded values. */
  unit: number
  offset: number
}

const half = (block: Uint8Array, at: number) => block.set([0x00, 0x3c], at) // 1.0

const twos = [8, 25, 43]
const books: Book[] = [
  {
    ...{ id: 'iq2xxs', type: 'IQ2_XXS', words: 256, dims: 8, levels: twos, unit: 0.125, offset: 0 },
    put: (block, word) => block.set([word], 2),
  },
  {
    ...{ id: 'iq2xs', type: 'IQ2_XS', words: 512, dims: 8, levels: twos, unit: 0.125, offset: 0 },
    put: (block, word) => block.set([word & 255, word >> 8], 2),
  },
  {
    ...{ id: 'iq2s', type: 'IQ2_S', words: 1024, dims: 8, levels: twos, unit: 0.125, offset: 0 },
    put: (block, word) => (block.set([word & 255], 2), block.set([word >> 8], 66)),
  },
  {
    ...{
      id: 'iq3xxs',
      type: 'IQ3_XXS',
      words: 256,
      dims: 4,
      levels: [4, 12, 20, 28, 36, 44, 52, 62],
      unit: 0.25,
      offset: 0,
    },
    put: (block, word) => block.set([word], 2),
  },
  {
    ...{ id: 'iq3s', type: 'IQ3_S', words: 512, dims: 4, levels: [1, 3, 5, 7, 9, 11, 13, 15], unit: 1, offset: 0 },
    put: (block, word) => (block.set([word & 255], 2), block.set([word >> 8], 66)),
  },
  {
    ...{ id: 'iq1', type: 'IQ1_S', words: 2048, dims: 8, levels: [-1, 0, 1], unit: 1, offset: 0.125 },
    put: (block, word) => (block.set([word & 255], 2), block.set([word >> 8], 34)),
  },
]

function read({ type, words, dims, levels, put, unit, offset }: Book): Uint16Array {
  const base = levels.length
  return Uint16Array.from({ length: words }, (_, word) => {
    const block = new Uint8Array(ggmlTypes[type].blockBytes)
    half(block, 0)
    put(block, word)
    const values = ggmlDequantize(type, block)
    let code = 0
    for (let j = dims - 1; j >= 0; j--) {
      const level = levels.indexOf((values[j] as number) / unit - offset)
      if (level < 0) throw new Error(`${type} word ${word}: value ${values[j]}`)
      code = code * base + level
    }
    return code
  })
}

const text = books.map((book) => {
  const base64 = Buffer.from(read(book).buffer).toString('base64')
  const lines = base64.match(/.{1,110}/g) ?? []
  return `export const ${book.id} = book(\n  ${book.words},\n  ${book.dims},\n  [${book.levels.join(', ')}],\n${lines.map((line) => `  '${line}'`).join(' +\n')},\n)\n`
})
writeFileSync(
  join(import.meta.dirname, '..', 'src-main/engine/kernels/ggml/codebook/tables.ts'),
  `// The code books of GGUF's IQ types: facts of the format (ggml-common.h), read off its decoder by build/codebooks.ts.
// A word is its levels' numbers as digits, the first weight's lowest.
import { book } from './book.ts'

${text.join('\n')}`,
)
