import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { isWeighted, type Option } from '../../../src-preload/contract/plan.ts'
import type { Network } from '../checkpoint/network.ts'
import type { BytePlan, Exporter, Importance } from '../export/define.ts'
import { readImportance } from '../probe/importance.ts'
import type { TaskContext, Tasks } from '../protocol.ts'
import { weightedTwin } from '../quantize/offered.ts'
import { keepOption } from '../quantize/options.ts'
import { cachedNetwork } from './cache.ts'
import { exporterOf } from './export.ts'

interface Conversion {
  network: Network
  exporter: Exporter
  parameters: Record<string, unknown>
  options: ReadonlyMap<string, Option>
  plan: BytePlan
}

/** What the exporter does to each layer under these parameters. Faults where it cannot hold the checkpoint, or a parameter
 *  does not fit. */
function conversionOf({ checkpoint, format, parameters }: Tasks['convertPlan']['args']): Conversion {
  const network = cachedNetwork(checkpoint)
  const exporter = exporterOf(format)
  const reason = exporter.convert ? exporter.refuses(network) : 'this format only holds compressed variants'
  if (reason !== null || !exporter.convert)
    throw new Fault('unsupported', `${network.name} cannot be converted to ${exporter.title}: ${reason}.`, {
      data: { file: network.path, field: 'format', found: format },
    })
  const parsed = exporter.params.safeParse(parameters)
  if (!parsed.success)
    throw new Fault('bad-arguments', `${exporter.title}: ${z.prettifyError(parsed.error)}`, {
      hint: `Known: ${Object.keys(exporter.params.shape).join(', ') || 'it takes no parameters'}.`,
      data: { field: parsed.error.issues[0]?.path.join('.') ?? 'parameters' },
    })
  const options = exporter.convert(network, parsed.data)
  const plan = exporter.planBytes(network, parsed.data)
  return { network, exporter, parameters: parsed.data as Record<string, unknown>, options, plan }
}

/** Layers whose importance is known are rounded with it, where the format has such a form of their option. */
function weigh({ options, plan }: Conversion, importance: Importance): Map<string, Option> {
  const offered = new Map(plan.layers.map((layer) => [layer.name, layer.options]))
  return new Map(
    [...options].map(([name, option]) => {
      if (!importance(name)) return [name, option]
      const { id, method, bits, parameters } = weightedTwin<Option>(option, offered.get(name) ?? [])
      return [name, { id, method, bits, parameters }]
    }),
  )
}

/** Writes a checkpoint in another format, whole, without recipe or project. */
export async function convert(
  args: Tasks['convert']['args'],
  context: TaskContext,
): Promise<Tasks['convert']['result']> {
  const { path, overwrite } = args
  const conversion = conversionOf(args)
  const { network, exporter, parameters } = conversion
  const importance = args.importance === null ? null : readImportance(args.importance, network)
  const options = importance === null ? conversion.options : weigh(conversion, importance)
  const order = { network, artifacts: [], options, importance, parameters, path, dataset: null, overwrite }
  return exporter.write({ ...order, plannedBytes: bytesOf(conversion).bytes }, context)
}

/** Types and bytes of every layer, before anything is written. */
export const convertPlan = (args: Tasks['convertPlan']['args']): Tasks['convertPlan']['result'] =>
  bytesOf(conversionOf(args))

function bytesOf({ network, options, plan }: Conversion): Tasks['convertPlan']['result'] {
  const weights = new Map(network.layers.map(({ name, parameters }) => [name, parameters]))
  const layers = plan.layers.map(({ name, options: offered }) => {
    const wanted = options.get(name) ?? keepOption
    const planned = offered.find(({ id }) => id === wanted.id)
    const { id, method, bits } = wanted
    return { name, option: id, method, bits, bytes: planned?.bytes ?? (bits / 8) * (weights.get(name) ?? 0) }
  })
  const weighs = plan.layers.some(({ name, options: offered }) => {
    const wanted = options.get(name)
    return wanted !== undefined && isWeighted(weightedTwin<Option>(wanted, offered))
  })
  return { weighs, bytes: layers.reduce((sum, { bytes }) => sum + bytes, plan.baseBytes), layers }
}
