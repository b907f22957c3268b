// Measured speed of the graph that was evaluated, on the device it ran on.
//   samplesPerSecond = samples / time inside session.run, the first batch (warm-up) left out where there are others
// Cost: none, the evaluation's own passes are timed.
import { z } from 'zod'
import type { Metric } from '../../../src-preload/contract/results.ts'
import { defineEvaluator } from './define.ts'

export const speed = defineEvaluator({
  id: 'speed',
  title: 'Speed',
  summary: 'Samples per second of the graph that was evaluated, measured.',
  cite: 'Lathe; measured',
  formula: 'samples / seconds inside the runtime',
  cost: 'none: the evaluation itself is timed',
  needs: ['activations'],
  version: 1,
  params: z.object({}),
  apply: ({ speed: { samples, seconds } }): Record<string, Metric> =>
    seconds > 0 ? { samplesPerSecond: { value: samples / seconds, low: null, high: null } } : {},
})
