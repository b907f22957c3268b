// Top-1 and top-5 accuracy and cross-entropy of a classifier.
//   Russakovsky et al. 2015, "ImageNet Large Scale Visual Recognition Challenge", section 4.1
//   topk = share of samples for which fewer than k classes score above the label
// Cost: one forward pass. Needs labels.
import { z } from 'zod'
import type { Metric } from '../../../src-preload/contract/results.ts'
import { defineEvaluator } from './define.ts'
import { meanWithInterval, within } from './interval.ts'

export const accuracy = defineEvaluator({
  id: 'accuracy',
  title: 'Accuracy',
  summary: 'How often the right class comes first, or among the first five.',
  cite: 'Russakovsky et al. 2015, "ImageNet Large Scale Visual Recognition Challenge", section 4.1',
  formula: 'mean of [rank of the label < k]; crossEntropy = mean of -ln p(label)',
  cost: 'one forward pass',
  needs: ['activations', 'labels'],
  version: 1,
  params: z.object({}),
  apply({ task, compared, rows, clusters }): Record<string, Metric> {
    if (task === 'causal-lm' || task === 'image-text-to-text' || !rows?.rank || !rows.nll || rows.rows === 0) return {}
    const { rank, nll, referenceRank } = rows
    const first = (list: ArrayLike<number>, k: number) => Float64Array.from(list, (place) => (place < k ? 1 : 0))
    const top1 = first(rank, 1)
    const before = referenceRank && first(referenceRank, 1)
    const difference: Record<string, Metric> =
      compared && before
        ? {
            top1Difference: meanWithInterval(
              top1.map((value, row) => value - (before[row] ?? 0)),
              clusters,
            ),
          }
        : {}
    return {
      top1: within(meanWithInterval(top1, clusters), 0, 1),
      top5: within(meanWithInterval(first(rank, 5), clusters), 0, 1),
      crossEntropy: meanWithInterval(nll, clusters),
      ...difference,
    }
  },
})
