import { z } from 'zod'
import { defineStrategy, type Sequence } from './define.ts'
import { minimum, normalise } from './normalise.ts'

const none = new Float32Array()
const widthOf = ({ input, tokens }: Sequence) => (tokens === 0 ? 0 : (input?.length ?? 0) / tokens)

export const norm = defineStrategy({
  id: 'norm',
  title: 'Activation norm',
  formula: 'r_j = |x_j| of what enters the block, to rMin .. 1 in each sequence',
  needs: ['input'],
  params: z.object({ rMin: minimum }),
  apply(sequence, { rMin }) {
    const { input, tokens } = sequence
    return normalise(distances(input ?? none, null, tokens, widthOf(sequence)), rMin)
  },
})

export const difference = defineStrategy({
  id: 'difference',
  title: 'Activation difference',
  formula: 'r_j = |y_j - x_j|, what the block adds, to rMin .. 1 in each sequence',
  needs: ['input', 'output'],
  params: z.object({ rMin: minimum }),
  apply(sequence, { rMin }) {
    const { input, output, tokens } = sequence
    return normalise(distances(input ?? none, output ?? none, tokens, widthOf(sequence)), rMin)
  },
})

// sum over i of |x_j - x_i|^2 = n |x_j|^2 - 2 x_j . sum_i x_i + sum_i |x_i|^2: linear in n.
export const similarity = defineStrategy({
  id: 'similarity',
  title: 'Token similarity',
  formula: 'r_j = mean over i of |x_j - x_i|^2: tokens unlike the others count more; to rMin .. 1 in each sequence',
  needs: ['input'],
  params: z.object({ rMin: minimum }),
  apply(sequence, { rMin }) {
    const { tokens } = sequence
    const input = sequence.input ?? none
    const width = widthOf(sequence)
    const sum = new Float64Array(width)
    input.forEach((value, i) => (sum[i % width] = (sum[i % width] ?? 0) + value))
    const squares = distances(input, null, tokens, width).map((length) => length ** 2)
    const total = squares.reduce((all, square) => all + square, 0)
    const scores = squares.map((square, j) => {
      let product = 0
      for (let c = 0; c < width; c++) product += (input[j * width + c] ?? 0) * (sum[c] ?? 0)
      return square + (total - 2 * product) / tokens
    })
    return normalise(scores, rMin)
  },
})

/** |x_j - y_j| of each row; y null: |x_j|. */
function distances(x: Float32Array, y: Float32Array | null, rows: number, width: number): Float64Array {
  const found = new Float64Array(rows)
  for (let row = 0; row < rows; row++) {
    let sum = 0
    for (let i = row * width; i < (row + 1) * width; i++) sum += ((x[i] ?? 0) - (y?.[i] ?? 0)) ** 2
    found[row] = Math.sqrt(sum)
  }
  return found
}
