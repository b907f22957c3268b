// Divergence from the original.
//   Kullback & Leibler 1951, "On Information and Sufficiency", section 2
//   KL(original || candidate) = sum_v p(v) (ln p(v) - ln q(v)) in nats, mean over predictions; 0 only when both say the same
//   agreement = share of predictions with the same most likely class
// Cost: one forward pass of each. Needs no labels.
import { z } from 'zod'
import type { Metric } from '../../../src-preload/contract/results.ts'
import { defineEvaluator } from './define.ts'
import { meanWithInterval, within } from './interval.ts'

export const kl = defineEvaluator({
  id: 'kl',
  title: 'KL divergence',
  summary: 'How far the compressed model’s predictions are from the original’s; 0 means the same.',
  cite: 'Kullback & Leibler 1951, "On Information and Sufficiency", section 2',
  formula: 'mean of sum_v p(v) (ln p(v) - ln q(v)); agreement = mean of [argmax p = argmax q]',
  cost: 'one forward pass of the original and one of the candidate',
  needs: ['activations'],
  version: 1,
  params: z.object({}),
  apply({ compared, rows, clusters }): Record<string, Metric> {
    if (!compared || !rows || rows.rows === 0) return {}
    return {
      klDivergence: within(meanWithInterval(rows.kl, clusters), 0, Number.POSITIVE_INFINITY),
      agreement: within(meanWithInterval(rows.agree, clusters), 0, 1),
    }
  },
})
