import { z } from 'zod'
import { defineStrategy } from './define.ts'
import { minimum, normalise } from './normalise.ts'

export const attention = defineStrategy({
  id: 'attention',
  title: 'Attention concentration',
  formula: 'r_j = sum over heads and queries i of softmax(q k^T)_ij, to rMin .. 1 in each sequence',
  needs: ['attention'],
  params: z.object({ rMin: minimum }),
  apply: ({ attention: received, tokens }, { rMin }) => normalise(received ?? new Float64Array(tokens), rMin),
})
