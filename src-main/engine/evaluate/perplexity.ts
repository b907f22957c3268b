// Perplexity of a language model.
//   Jelinek et al. 1977, "Perplexity - a measure of the difficulty of speech recognition tasks"
//   crossEntropy = mean of -ln p(next token),   perplexity = e^crossEntropy,
//   logPerplexityRatio = mean of (candidate's -ln p) - (original's -ln p), paired token by token
// Cost: one forward pass; the head one tile of the vocabulary at a time (Wijmans et al. 2024). Needs text.
import { z } from 'zod'
import type { Metric } from '../../../src-preload/contract/results.ts'
import { defineEvaluator } from './define.ts'
import { meanWithInterval, through } from './interval.ts'

export const perplexity = defineEvaluator({
  id: 'perplexity',
  title: 'Perplexity',
  summary: 'How many tokens the language model hesitates between, on average; lower is better.',
  cite: 'Jelinek et al. 1977; vocabulary tiles: Wijmans et al. 2024, "Cut Your Losses in Large-Vocabulary Language Models", section 3',
  formula: 'exp(sum of -ln p(next token) / number of predicted tokens)',
  cost: 'one forward pass; memory does not grow with the vocabulary',
  needs: ['activations', 'labels'],
  version: 1,
  params: z.object({}),
  apply({ task, compared, rows, clusters }): Record<string, Metric> {
    const nll = task === 'causal-lm' ? rows?.nll : null
    if (!nll || nll.length === 0) return {}
    const crossEntropy = meanWithInterval(nll, clusters)
    const original = rows?.referenceNll
    const ratio: Record<string, Metric> =
      compared && original
        ? {
            logPerplexityRatio: meanWithInterval(
              nll.map((value, row) => value - (original[row] ?? 0)),
              clusters,
            ),
          }
        : {}
    return { perplexity: through(crossEntropy, Math.exp), crossEntropy, ...ratio }
  },
})
