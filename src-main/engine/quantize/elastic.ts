// One nested set of weights for every width: 8-bit codes of which each width reads its highest bits.
//   Xu et al. 2023, "EQ-Net: Elastic Quantization Neural Networks": one set of weights served at any width, with
//   one grid a channel or group; there it is trained, here it is searched for after training.
//   parent: w ~ s (c - 128), c = 0 .. 255
//   width b, k = 8 - b:  c_b = min(floor((c + 2^(k-1)) / 2^k), 2^b - 1)     w ~ 2^k s (c_b - 2^(b-1))
//   s = argmin sum over the widths of 4^b sum h (w - w_b)^2: each step's rounding error counts alike
// The next lower bit rounds what the highest ones say, as in Nair et al. 2025, "Matryoshka Quantization", section 3.1: cut
// off without it, every narrower width would lie half a step too low. Cost O(weights x widths x candidates) time. Needs
// weights only.
import { z } from 'zod'
import { readBits } from '../kernels/grids.ts'
import { defineQuantizer, type QuantizeContext } from './define.ts'
import { weightError } from './dequantize.ts'
import { gridParameters, plainGridOf, twinOf } from './plain-grid.ts'
import type { WeightRows } from './rows.ts'
import { searchGrids } from './searched-rows.ts'
import type { QuantizedMatrix } from './types.ts'

export const elasticWidths = [2, 3, 4, 5, 6, 7, 8] as const

const HALF_LEAST = 2 ** -20 // scales below have too few digits in float16
const HALF_MOST = 65504 / 2 ** 6 // times 64 it is the scale of two bits

// Shrunk ranges, mirrored too: at few bits the side with one level more matters.
const factors = Array.from({ length: 8 }, (_, k) => 1 - (0.5 * k) / 8).flatMap((factor) => [factor, -factor])

/** The 8-bit weights that every width is read from, on symmetric grids. */
export function elasticParent(
  source: WeightRows,
  { granularity, groupSize, lowest }: { granularity: 'channel' | 'group'; groupSize: number; lowest: number },
  context: QuantizeContext,
): QuantizedMatrix {
  const { rows, cols } = source
  const size = granularity === 'group' ? Math.min(groupSize, cols) : cols
  const groups = Math.ceil(cols / size)
  const run = (half: boolean): QuantizedMatrix => {
    const grids = {
      codes: new Uint8Array(rows * cols),
      scales: new Float32Array(rows * groups),
      zeros: new Uint8Array(rows * groups).fill(128),
    }
    searchGrids(source, { search: 'elastic', half, lowest, factors }, size, grids, context)
    const scaleType = half ? ('float16' as const) : ('float32' as const)
    return { rows, cols, bits: 8, symmetric: true, granularity, groupSize: size, groups, scaleType, ...grids }
  }
  const first = run(true)
  const coarsest = first.scales.reduce((most, scale) => Math.max(most, Math.abs(scale)), 0)
  const parent = coarsest === 0 || (coarsest >= HALF_LEAST && coarsest <= HALF_MOST) ? first : run(false)
  parent.zeros.fill(128)
  parent.scales.forEach((scale, i) => {
    if (scale === 0) parent.scales[i] = 1 // groups of zeros: any scale gives zeros
  })
  return parent
}

/** What `bits` bits make of the parent: a grid of that width, from the highest bits of its codes. */
export function readWidth(parent: QuantizedMatrix, bits: number): QuantizedMatrix {
  return {
    ...parent,
    bits,
    codes: readBits(parent.codes, bits),
    scales: parent.scales.map((scale) => scale * 2 ** (8 - bits)),
    zeros: parent.zeros.map(() => 2 ** (bits - 1)),
  }
}

/** Relative squared error of every width of one parent. */
export const elasticErrors = (source: WeightRows, parent: QuantizedMatrix): { bits: number; relative: number }[] =>
  elasticWidths.map((bits) => ({ bits, relative: weightError(source, readWidth(parent, bits)).relative }))

export const elastic = defineQuantizer({
  id: 'elastic',
  title: 'Elastic widths',
  summary: 'One set of 8-bit weights that is read at any width from 8 to 2 bits by its highest bits.',
  cite: 'Xu et al. 2023, EQ-Net: Elastic Quantization Neural Networks; Nair et al. 2025, Matryoshka Quantization, section 3.1',
  formula: 'w_b = 2^(8-b) s (round(c / 2^(8-b)) - 2^(b-1));  s = argmin sum_b 4^b sum h (w - w_b)^2',
  cost: 'O(weights x widths x candidates) time, memory of the layer in 8 bits',
  needs: ['weights'],
  version: 1,
  params: z.object({
    ...gridParameters,
    symmetric: z.literal(true).default(true).describe('Zero point in the middle: what all widths share'),
    lowest: z.int().min(2).max(8).default(2).describe('The narrowest width that the shared scale has to serve'),
    report: z.boolean().default(false).describe('Say the error of every width for each layer'),
  }),
  twin(plain, { lowest, report }) {
    const grid = plainGridOf(plain)
    return grid?.symmetric !== true ? null : twinOf(plain, 'elastic', { lowest, ...(report && { report }) })
  },
  apply(source, { bits, report, ...grid }, context) {
    const parent = elasticParent(source, { ...grid, lowest: Math.min(grid.lowest, bits) }, context)
    if (report) {
      const errors = elasticErrors(source, parent).map((each) => `${each.bits}: ${each.relative.toExponential(2)}`)
      context.notify?.(`${context.layer}: relative squared error by width: ${errors.join(', ')}.`)
    }
    return readWidth(parent, bits)
  },
})
