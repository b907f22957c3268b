// Parity of raw outputs, for networks without classes.
//   sqnrDb = 10 log10(sum x^2 / sum (y - x)^2) over all float outputs of all samples (Widrow & Kollár 2008, section 1.1)
//   maxAbsDifference = largest |y - x|
// Cost: one forward pass of each. Needs no labels.
import { z } from 'zod'
import type { Metric } from '../../../src-preload/contract/results.ts'
import { defineEvaluator } from './define.ts'
import { meanWithInterval, through } from './interval.ts'

/** Equal outputs have no noise; this stands for "as good as it can be" in a file that cannot say infinity. */
const mostDb = 300

export const parity = defineEvaluator({
  id: 'parity',
  title: 'Output parity',
  summary: 'How far all outputs are from the original’s, as signal to noise in decibels.',
  cite: 'Widrow & Kollár 2008, "Quantization Noise", section 1.1',
  formula: '10 log10(sum x^2 / sum (y - x)^2)',
  cost: 'one forward pass of the original and one of the candidate',
  needs: ['activations'],
  version: 1,
  params: z.object({}),
  apply({ compared, parity: sums }): Record<string, Metric> {
    if (!compared || !sums || sums.signal.length === 0) return {}
    const signal = sums.signal.reduce((total, value) => total + value, 0) / sums.signal.length
    // The noise varies from sample to sample; its mean has the interval, its logarithm turns it round.
    const noise = meanWithInterval(
      sums.noise,
      sums.noise.map((_, index) => index),
    )
    const decibels = (value: number) => (value > 0 ? Math.min(mostDb, 10 * Math.log10(signal / value)) : mostDb)
    const { value, low, high } = through(noise, decibels)
    return {
      sqnrDb: { value, low: high, high: low },
      maxAbsDifference: { value: sums.largest, low: null, high: null },
    }
  },
})
