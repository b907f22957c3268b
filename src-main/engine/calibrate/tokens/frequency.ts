import { z } from 'zod'
import { defineStrategy } from './define.ts'
import { minimum, normalise } from './normalise.ts'

// The paper gives rare tokens the larger weight.
export const frequency = defineStrategy({
  id: 'frequency',
  title: 'Token frequency',
  formula: 'r_j = -(how often the token stands in the calibration data), to rMin .. 1 in each sequence',
  needs: ['ids'],
  params: z.object({ rMin: minimum }),
  apply: ({ ids, tokens, counts }, { rMin }) =>
    normalise(
      Float64Array.from({ length: tokens }, (_, j) => -(counts.get(ids?.[j] ?? -1) ?? 0)),
      rMin,
    ),
})
