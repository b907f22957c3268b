import type { TaskContext, Tasks } from '../protocol.ts'
import { readImportance } from '../probe/importance.ts'
import { offeredOptions } from '../quantize/offered.ts'
import { measureSensitivity } from '../score/sensitivity.ts'
import { cachedDataset, cachedNetwork } from './cache.ts'
import { exporterOf } from './export.ts'

/** Loss of each option of one block's layers, swapped in alone with everything else original. */
export async function sensitivity(
  args: Tasks['sensitivity']['args'],
  context: TaskContext,
): Promise<Tasks['sensitivity']['result']> {
  const { checkpoint, data, block, samples, device, format } = args
  const network = cachedNetwork(checkpoint)
  const dataset = data === null ? null : await cachedDataset(checkpoint, data)
  const plan = exporterOf(format).planBytes(network)
  const importance = args.importance === null ? null : readImportance(args.importance, network)
  const options = new Map(
    plan.layers.map((layer) => [
      layer.name,
      offeredOptions(layer.options, importance !== null).map(({ bytes: _, ...option }) => option),
    ]),
  )
  return measureSensitivity({ network, dataset, block, samples, device, options, importance }, context)
}
