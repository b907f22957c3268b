// Zero-free powers of two, each weight a sign and a shift.
//   Li et al. 2023, "DenseShift: Towards Accurate and Efficient Low-Bit Power-of-Two Quantization", sections 3.1 and 3.2
//   w ~ s (-1)^sign 2^shift, shift = 0 .. 2^(b-1) - 1: the sign-scale decomposition, after training (the paper trains through it)
// A zero level would waste a code: without it all 2^b codes count. x w is a shift of x and a sign; the sum over a group is
// multiplied once by s, or shifted too with `shiftOnly`. No runtime that Lathe writes for has such a kernel: what is exported
// is small, and runs as float32.
// Cost O(weights x levels x candidates) time. Needs weights only; Hessians, where there are any, feed errors back.
import { z } from 'zod'
import { shiftLevels, type ShiftBits } from './codings/denseshift.ts'
import { defineQuantizer } from './define.ts'
import { codedOptions, levelParameters, toCoded } from './level-quantizer.ts'

export const denseshift = defineQuantizer({
  id: 'denseshift',
  title: 'DenseShift',
  summary:
    'Every weight a sign and a power of two, none of them zero: products need shifts only. Exported files run as float32.',
  cite: 'Li et al. 2023, DenseShift: Towards Accurate and Efficient Low-Bit Power-of-Two Quantization, section 3',
  formula: 'w ~ s (-1)^sign 2^shift;  s = argmin sum h (w - s (-1)^sign 2^shift)^2',
  cost: 'O(weights x candidates) time; the exported file runs at the speed of float32',
  needs: ['weights'],
  version: 1,
  params: z.object({
    bits: z.int().min(2).max(4).default(3).describe('Bits per weight: one sign, the rest a shift'),
    groupSize: z.int().min(0).default(64).describe('Weights of a row that share a scale; 0: an output channel'),
    shiftOnly: z.boolean().default(false).describe('Scales are powers of two as well: no multiplication at all'),
    ...levelParameters,
  }),
  options: (layer, { bits: _, ...parameters }) =>
    codedOptions(
      layer,
      [2, 3, 4].map((bits) => ({
        id: `denseshift-${bits}-${parameters.groupSize === 0 ? 'channel' : `g${parameters.groupSize}`}${parameters.shiftOnly ? '-shift' : ''}`,
        method: 'denseshift',
        bits,
        parameters,
      })),
    ),
  apply: (source, { bits, shiftOnly, ...parameters }, context) =>
    toCoded(
      source,
      { id: 'denseshift', settings: { bits, shiftOnly }, levels: shiftLevels(bits as ShiftBits, shiftOnly) },
      { granularity: parameters.groupSize === 0 ? 'channel' : 'group', ...parameters },
      context,
    ),
})
