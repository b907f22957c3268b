// Half-quadratic quantization: the grid with the least error in a norm below 1, which forgives the few large weights.
//   Badri and Shaji 2023, "Half-Quadratic Quantization of Large Machine Learning Models", section 2
//   argmin sum h |w - s (q - z)|^p, p < 1, by splitting off e, what the norm may ignore:
//     e = shrink(w / s - (q - z))     shrink(r) = sign(r) max(|r| - |r|^(p - 1) / beta, 0)     beta grows by kappa each round
// The paper keeps s and solves for a zero point in floats. A stored zero point is whole, so here it is z that is tried, near
// the plain one and at it, and s that is solved for: s = sum h (w - s e)(q - z) / sum h (q - z)^2. Residuals are counted in
// steps, so that beta means the same for every layer. p is 1/2 or 3/4 (the paper's code: 0.7): roots, which are exact.
// Starts from the grid that `search` gives and never ends with a larger norm. By itself it beats plain ranges and loses to the
// grids that `rtn` searches: the weights of these models have no outliers that are worth forgiving. Output error against those
// on stories260K in groups of 64, affine: x 1.05 at 4 bits, 1.07 at 3. So it starts there and takes nothing that raises a
// group's squared error by more than `slack`. Needs weights only.
// Cost O(weights x rounds x zero points) time.
import { z } from 'zod'
import { defineQuantizer } from './define.ts'
import { quantizeToGrid } from './grid.ts'
import { gridParameters, plainGridOf, twinOf } from './plain-grid.ts'
import { searchGrids } from './searched-rows.ts'

export const hqq = defineQuantizer({
  id: 'hqq',
  title: 'HQQ',
  summary: 'Chooses scale and zero point for the least error in a norm that forgives outliers. No calibration data.',
  cite: 'Badri and Shaji 2023, Half-Quadratic Quantization of Large Machine Learning Models, section 2',
  formula: 's, z = argmin sum h |w - s (q - z)|^p, p < 1;  e = shrink(w / s - (q - z), beta)',
  cost: 'O(weights x rounds x zero points) time, memory of one row block',
  needs: ['weights'],
  version: 2, // starts from the searched grid and keeps its squared error
  params: z.object({
    ...gridParameters,
    symmetric: z
      .boolean()
      .default(false)
      .describe('Zero point in the middle, not stored; only the scale is solved for'),
    search: z
      .enum(['none', 'mse'])
      .default('mse')
      .describe('The grid it starts from: the whole range as in the paper, or the one with the least squared error'),
    slack: z
      .number()
      .min(0)
      .max(1000)
      .default(0)
      .describe(
        'How much squared error a group may lose against its start for the norm, as a share; 1000: any, as in the paper',
      ),
    norm: z.literal([0.5, 0.75]).default(0.75).describe('p: the smaller, the more the largest errors are ignored'),
    beta: z.number().positive().max(1e6).default(10).describe('How strongly e must explain the error, in steps'),
    kappa: z.number().min(1).max(10).default(1.1).describe('Growth of beta a round'),
    rounds: z.int().min(1).max(100).default(20).describe('Rounds at most'),
  }),
  twin(plain, { search, slack, norm, beta, kappa, rounds }) {
    const grid = plainGridOf(plain)
    return grid === null ? null : twinOf(plain, 'hqq', { search, slack, norm, beta, kappa, rounds })
  },
  apply(source, { slack, norm, beta, kappa, rounds, ...grid }, context) {
    const { progress, ...quiet } = context
    const q = quantizeToGrid(source, grid, progress ? { ...quiet, progress: (done) => progress(done / 2) } : quiet)
    const settings = {
      search: 'hqq' as const,
      bits: q.bits,
      half: q.scaleType === 'float16',
      reach: q.symmetric ? 0 : 1,
      power: norm === 0.5 ? (2 as const) : (3 as const),
      ...{ beta, kappa, rounds },
      most: slack < 1000 ? 1 + slack : Infinity,
    }
    searchGrids(source, settings, q.groupSize, q, {
      ...quiet,
      ...(progress && { progress: (done: number) => progress((1 + done) / 2) }),
    })
    return q
  },
})
