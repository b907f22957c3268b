import { measureRunning } from '../latency/running.ts'
import type { TaskContext, Tasks } from '../protocol.ts'
import { cachedDataset, cachedNetwork } from './cache.ts'

/** Memory and seconds of a variant's exported file, run by itself. */
export async function running(
  { checkpoint, prepared, data, artifacts, format }: Tasks['running']['args'],
  context: TaskContext,
): Promise<Tasks['running']['result']> {
  const network = cachedNetwork(checkpoint, artifacts === null ? [] : prepared)
  const dataset = await cachedDataset(checkpoint, data)
  return measureRunning({ network, dataset, artifacts, format }, context)
}
