import { removeBlocks } from '../graph/rewrites/remove-blocks.ts'
import { prepareNetwork } from '../prepare/apply.ts'
import type { TaskContext, Tasks } from '../protocol.ts'
import { measureDepth } from '../score/depth.ts'
import { cachedDataset, cachedNetwork } from './cache.ts'

/** Loss of every block that could be left out beside those that are. */
export async function depth(args: Tasks['depth']['args'], context: TaskContext): Promise<Tasks['depth']['result']> {
  const { checkpoint, data, removed, samples, device } = args
  const whole = cachedNetwork(checkpoint)
  const dataset = await cachedDataset(checkpoint, data)
  const use = { method: removeBlocks.id, parameters: { blocks: [...removed] }, seed: 0, file: null }
  const left = removed.length === 0 ? whole : prepareNetwork(whole, [use])
  const refuses = (block: number) => removeBlocks.refuses(left, { blocks: [block] })
  return measureDepth({ whole, left, refuses, dataset, samples, device }, context)
}
