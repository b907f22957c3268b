import type { TaskContext, Tasks } from '../protocol.ts'
import { readImportance } from '../probe/importance.ts'
import { measureSensitivity } from '../score/sensitivity.ts'
import { cachedDataset, cachedNetwork } from './cache.ts'

/** Losses and errors of options of one block's layers, swapped in alone with everything else original. */
export async function sensitivity(
  args: Tasks['sensitivity']['args'],
  context: TaskContext,
): Promise<Tasks['sensitivity']['result']> {
  const { checkpoint, data, block, samples, device, every } = args
  const network = cachedNetwork(checkpoint)
  const dataset = data === null ? null : await cachedDataset(checkpoint, data)
  const importance = args.importance === null ? null : readImportance(args.importance, network)
  const layers = new Map(args.layers.map(({ name, options, known }) => [name, { options, known }]))
  return measureSensitivity({ network, dataset, block, samples, device, layers, every, importance }, context)
}
