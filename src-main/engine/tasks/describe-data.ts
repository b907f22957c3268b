import { describeDataset } from '../data/summary.ts'
import type { Tasks } from '../protocol.ts'
import { cachedDataset } from './cache.ts'

/** What a data set holds for this checkpoint, and how its two parts are kept apart. */
export const describeData = async (args: Tasks['describeData']['args']): Promise<Tasks['describeData']['result']> =>
  describeDataset(await cachedDataset(args.checkpoint, args.data))
