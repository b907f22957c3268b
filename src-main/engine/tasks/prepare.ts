import { Fault } from '../../../src-preload/contract/fault.ts'
import { preparationOf } from '../prepare/apply.ts'
import { writeMeasured } from '../prepare/measured.ts'
import type { TaskContext, Tasks } from '../protocol.ts'
import { overridesOf } from './evaluate.ts'
import { cachedDataset, cachedNetwork } from './cache.ts'

/** Measures what a rewriting needs and keeps it as a file. */
export async function prepare(
  args: Tasks['prepare']['args'],
  context: TaskContext,
): Promise<Tasks['prepare']['result']> {
  const { checkpoint, prepared, method, parameters, data, samples, seed, device, folder } = args
  const preparation = preparationOf(method)
  if (!preparation.measure)
    throw new Fault('bad-arguments', `${preparation.title} measures nothing.`, {
      data: { field: 'method', found: method },
    })
  const network = cachedNetwork(checkpoint, prepared)
  const dataset = await cachedDataset(checkpoint, data)
  const compressed = args.artifacts && overridesOf(network, args.artifacts)
  const given = { network, dataset, samples, seed, device, ...(compressed && { compressed }) }
  const measured = await preparation.measure(given, parameters, context)
  for (const words of (await preparation.report?.(given, parameters, measured, context)) ?? []) context.notify(words)
  return writeMeasured(folder, measured)
}
