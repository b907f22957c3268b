import type { TaskContext, Tasks } from '../protocol.ts'
import { measureScores } from '../score/measure.ts'
import { cachedDataset, cachedNetwork } from './cache.ts'

/** How much each block, layer or part of one matters, by several methods from one pass. */
export async function score(args: Tasks['score']['args'], context: TaskContext): Promise<Tasks['score']['result']> {
  const { checkpoint, data, uses, device } = args
  const network = cachedNetwork(checkpoint)
  const dataset = data === null ? null : await cachedDataset(checkpoint, data)
  return { results: await measureScores({ network, dataset, device }, uses, context) }
}
