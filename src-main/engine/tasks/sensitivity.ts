import type { TaskContext, Tasks } from '../protocol.ts'
import { measureSensitivity } from '../score/sensitivity.ts'
import { cachedDataset, cachedNetwork } from './cache.ts'

/** Loss of each option of one block's layers, swapped in alone with everything else original. */
export async function sensitivity(
  args: Tasks['sensitivity']['args'],
  context: TaskContext,
): Promise<Tasks['sensitivity']['result']> {
  const { checkpoint, data, block, samples, device } = args
  const network = cachedNetwork(checkpoint)
  const dataset = data === null ? null : await cachedDataset(checkpoint, data)
  return measureSensitivity({ network, dataset, block, samples, device }, context)
}
