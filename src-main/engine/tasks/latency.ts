import { measureLatency } from '../latency/measure.ts'
import type { TaskContext, Tasks } from '../protocol.ts'
import { cachedDataset, cachedNetwork } from './cache.ts'

/** Seconds of layers in the forms a format runs them in, each shape and form once. */
export async function latency(
  { checkpoint, data, known, ...args }: Tasks['latency']['args'],
  context: TaskContext,
): Promise<Tasks['latency']['result']> {
  const network = cachedNetwork(checkpoint)
  const dataset = await cachedDataset(checkpoint, data)
  return measureLatency({ ...args, network, dataset, known: new Set(known) }, context)
}
