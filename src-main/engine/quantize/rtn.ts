// Round to nearest on a uniform grid, per tensor, channel or group, with an error-minimising choice of the range.
//   Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", section 2.1
//   lo = min(x, 0)   hi = max(x, 0)   s = (hi - lo) / (2^b - 1)   z = round(-lo / s)   q = clamp(round(x / s) + z, 0, 2^b - 1)
//   symmetric: z = 2^(b-1), s = max(-lo / z, hi / (2^b - 1 - z)), or its mirror with s < 0 when searching
//   search: zero points near z and shrunk scales t; u = round(x / t) clamped; s = sum(h x u) / sum(h u^2) minimises
//   sum h (x - s u)^2 for these codes (least squares); the best s, rounded to float16, gets fresh codes, twice over.
// 0 is always exact. Cost O(rows * cols * candidates) time, one row block of memory. Needs weights only.
import { z } from 'zod'
import { defineQuantizer } from './define.ts'
import { quantizeToGrid } from './grid.ts'

export const rtn = defineQuantizer({
  id: 'rtn',
  title: 'Round to nearest',
  summary: 'Rounds every weight to the nearest point of a small grid whose range is chosen for the least error.',
  cite: 'Jacob et al. 2018, Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, section 2.1',
  formula: 'q = clamp(round(w / s) + z, 0, 2^b - 1);  s, z = argmin sum h (w - s (q - z))^2',
  cost: 'O(weights x candidates) time, memory of one row block',
  needs: ['weights'],
  version: 3, // 3: up to 6 bits, scales are searched in 16-bit integers; 2: every second scale first, then its neighbours
  params: z.object({
    bits: z.int().min(2).max(8).default(4).describe('Bits per weight'),
    granularity: z
      .enum(['tensor', 'channel', 'group'])
      .default('group')
      .describe('What shares one scale: the whole tensor, an output channel, or a run of weights within one'),
    groupSize: z.int().positive().default(64).describe('Weights per group (granularity group)'),
    symmetric: z.boolean().default(true).describe('Zero point in the middle, not stored'),
    search: z.enum(['none', 'mse']).default('mse').describe('mse: choose the range with the least squared error'),
  }),
  apply: quantizeToGrid,
})
