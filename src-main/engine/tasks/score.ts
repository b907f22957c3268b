import type { TaskContext, Tasks } from '../protocol.ts'
import { measureScore } from '../score/measure.ts'
import { cachedDataset, cachedNetwork } from './cache.ts'

/** How much each block or layer matters, by one method. */
export async function score(args: Tasks['score']['args'], context: TaskContext): Promise<Tasks['score']['result']> {
  const { checkpoint, data, method, device } = args
  const network = cachedNetwork(checkpoint)
  const dataset = data === null ? null : await cachedDataset(checkpoint, data)
  return measureScore({ network, dataset, method, device }, context)
}
