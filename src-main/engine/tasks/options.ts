import type { MethodUse, Option } from '../../../src-preload/contract/plan.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { z } from 'zod'
import type { Layer, Network } from '../checkpoint/network.ts'
import type { Offered } from '../export/codings/offered.ts'
import { runningMemory } from '../graph/memory.ts'
import type { Tasks } from '../protocol.ts'
import { compressorOf, compressors } from '../quantize/compressors.ts'
import { cachedNetwork } from './cache.ts'
import { exporterOf } from './export.ts'

/** What can be done to each layer, with the exact bytes it then takes in a file of this format: the format's own options, and
 *  those of the chosen quantizer in forms of its own that the format holds. */
export async function options({
  checkpoint,
  format,
  prepared,
  quantizer,
  levers,
  also,
}: Tasks['options']['args']): Promise<Tasks['options']['result']> {
  const network = cachedNetwork(checkpoint, prepared)
  const offers: Offered[] = []
  for (const use of [...(quantizer === null ? [] : [quantizer]), ...levers]) {
    const offer = (await offeredAcross(use, network)) ?? offeredBy(use)
    if (offer) offers.push(offer)
  }
  const named = new Map<string, Option[]>()
  for (const { layer, option } of also) named.set(layer, [...(named.get(layer) ?? []), option])
  const offered: Offered | undefined =
    offers.length + also.length === 0
      ? undefined
      : (layer) => [...offers.flatMap((offer) => offer(layer)), ...(named.get(layer.name) ?? [])]
  return { ...exporterOf(format).planBytes(network, undefined, offered), running: runningMemory(network) }
}

/** Those of a method that has to see all layers' weights first. */
async function offeredAcross(use: MethodUse, network: Network): Promise<Offered | undefined> {
  const { method, parameters } = methodOf(use)
  return method.across?.(network, parameters)
}

/** The options of a quantizer with these parameters. Faults 'bad-arguments' on one that is not known and on parameters that do
 *  not fit its schema. */
export function offeredBy(use: MethodUse): Offered | undefined {
  const { method, parameters } = methodOf(use)
  if (!method.options) return undefined
  return (layer: Layer) => method.options?.(layer, parameters) ?? []
}

function methodOf({ method: id, parameters }: MethodUse) {
  const method = compressorOf(id)
  if (method === undefined)
    throw new Fault('bad-arguments', `There is no quantizer "${id}".`, {
      hint: `Known: ${compressors.map((known) => known.id).join(', ')}.`,
      data: { field: 'quantizer', found: id },
    })
  const parsed = method.params.safeParse(parameters)
  if (!parsed.success) throw new Fault('bad-arguments', `${id}: ${z.prettifyError(parsed.error)}`)
  return { method, parameters: parsed.data }
}
