import type { z } from 'zod'
import type { Metric } from '../../../src-preload/contract/results.ts'
import type { Network } from '../checkpoint/network.ts'
import type { MethodBase } from '../method.ts'
import type { RowStatistics } from './types.ts'

/** Everything one pass over original and candidate has gathered. */
export interface Measured {
  task: Network['task']
  compared: boolean // false: the original by itself
  rows: RowStatistics | null // null where the network has no classes
  clusters: Int32Array // window or image of each row
  /** Sums over all float outputs, one entry a sample; null where rows tell more. */
  parity: { signal: number[]; noise: number[]; largest: number } | null
  speed: { samples: number; seconds: number }
}

export interface Evaluator<P extends z.ZodObject = z.ZodObject> extends MethodBase<P> {
  family: 'evaluate'
  /** Metrics this evaluator can tell from what was measured; none where it does not apply. */
  apply: (measured: Measured) => Record<string, Metric>
}

export const defineEvaluator = <P extends z.ZodObject>(method: Omit<Evaluator<P>, 'family'>): Evaluator<P> => ({
  family: 'evaluate',
  ...method,
})
