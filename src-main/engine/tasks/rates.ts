import { measurePace, measureRates } from '../latency/rates.ts'
import type { TaskContext, Tasks } from '../protocol.ts'
import { cachedDataset, cachedNetwork } from './cache.ts'

/** How fast this machine is. */
export const rates = (_: Tasks['rates']['args'], context: TaskContext): Promise<Tasks['rates']['result']> =>
  measureRates(context)

/** How fast it runs a network: a few samples. */
export async function pace(
  { checkpoint, data, device }: Tasks['pace']['args'],
  context: TaskContext,
): Promise<Tasks['pace']['result']> {
  const network = cachedNetwork(checkpoint)
  return measurePace(network, await cachedDataset(checkpoint, data), device, context)
}
