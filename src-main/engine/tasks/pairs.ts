import type { TaskContext, Tasks } from '../protocol.ts'
import { readImportance } from '../probe/importance.ts'
import { measurePairs } from '../score/pairs.ts'
import { cachedDataset, cachedNetwork } from './cache.ts'

/** What pairs of layers cost together, against each alone. */
export async function pairs(
  { checkpoint, data, options, ...args }: Tasks['pairs']['args'],
  context: TaskContext,
): Promise<Tasks['pairs']['result']> {
  const network = cachedNetwork(checkpoint)
  const dataset = await cachedDataset(checkpoint, data)
  const importance = args.importance === null ? null : readImportance(args.importance, network)
  const chosen = new Map(options.map(({ name, option }) => [name, option]))
  return measurePairs({ ...args, network, dataset, options: chosen, importance }, context)
}
