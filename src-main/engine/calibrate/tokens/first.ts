import { z } from 'zod'
import { defineStrategy } from './define.ts'
import { minimum } from './normalise.ts'

const n = z.int().positive().default(256).describe('How many tokens count fully')

export const first = defineStrategy({
  id: 'first',
  title: 'First tokens',
  formula: 'r_j = 1 for j < n, else rMin',
  needs: [],
  params: z.object({ n, rMin: minimum }),
  apply: ({ tokens }, { n, rMin }) => Float64Array.from({ length: tokens }, (_, j) => (j < n ? 1 : rMin)),
})

export const firstAndLast = defineStrategy({
  id: 'first-last',
  title: 'First and last tokens',
  formula: 'r_j = 1 for j < n / 2 and for the last n / 2, else rMin',
  needs: [],
  params: z.object({ n, rMin: minimum }),
  apply: ({ tokens }, { n, rMin }) =>
    Float64Array.from({ length: tokens }, (_, j) => (j < n / 2 || j >= tokens - n / 2 ? 1 : rMin)),
})
