import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { readImportance } from '../probe/importance.ts'
import type { TaskContext, Tasks } from '../protocol.ts'
import { cachedNetwork } from './cache.ts'
import { exporterOf } from './export.ts'

/** Writes a checkpoint in another format, whole, without recipe or project. */
export async function convert(
  args: Tasks['convert']['args'],
  context: TaskContext,
): Promise<Tasks['convert']['result']> {
  const { checkpoint, format, path, overwrite } = args
  const network = cachedNetwork(checkpoint)
  const exporter = exporterOf(format)
  const reason = exporter.convert ? exporter.refuses(network) : 'this format only holds compressed variants'
  if (reason !== null || !exporter.convert)
    throw new Fault('unsupported', `${network.name} cannot be converted to ${exporter.title}: ${reason}.`, {
      data: { file: network.path, field: 'format', found: format },
    })
  const parsed = exporter.params.safeParse(args.parameters)
  if (!parsed.success) throw new Fault('bad-arguments', `${exporter.title}: ${z.prettifyError(parsed.error)}`)
  const importance = args.importance === null ? null : readImportance(args.importance, network)
  const options = exporter.convert(network, parsed.data)
  const parameters = parsed.data as Record<string, unknown>
  const order = { network, artifacts: [], options, importance, parameters, path, dataset: null, overwrite }
  return exporter.write({ ...order, plannedBytes: 0 }, context)
}
