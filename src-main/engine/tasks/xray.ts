import type { TaskContext, Tasks } from '../protocol.ts'
import { xrayLayer } from '../xray/xray.ts'
import { cachedDataset, cachedNetwork, layerOf } from './cache.ts'

/** What one layer is made of. */
export async function xray(args: Tasks['xray']['args'], context: TaskContext): Promise<Tasks['xray']['result']> {
  const { checkpoint, data, samples, device } = args
  const network = cachedNetwork(checkpoint)
  const dataset = data === null ? null : await cachedDataset(checkpoint, data)
  return xrayLayer({ network, dataset, layer: layerOf(network, args.layer), samples, device }, context)
}
