import type { MethodUse, Option } from '../../../src-preload/contract/plan.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { z } from 'zod'
import type { Layer } from '../checkpoint/network.ts'
import type { Offered } from '../export/codings/offered.ts'
import { runningMemory } from '../graph/memory.ts'
import type { Tasks } from '../protocol.ts'
import { compressorOf, compressors } from '../quantize/compressors.ts'
import { cachedNetwork } from './cache.ts'
import { exporterOf } from './export.ts'

/** What can be done to each layer, with the exact bytes it then takes in a file of this format: the format's own options, and
 *  those of the chosen quantizer in forms of its own that the format holds. */
export function options({
  checkpoint,
  format,
  prepared,
  quantizer,
  levers,
  also,
}: Tasks['options']['args']): Tasks['options']['result'] {
  const offers = [...(quantizer === null ? [] : [quantizer]), ...levers].flatMap((use) => offeredBy(use) ?? [])
  const named = new Map<string, Option[]>()
  for (const { layer, option } of also) named.set(layer, [...(named.get(layer) ?? []), option])
  const offered: Offered | undefined =
    offers.length + also.length === 0
      ? undefined
      : (layer) => [...offers.flatMap((offer) => offer(layer)), ...(named.get(layer.name) ?? [])]
  const network = cachedNetwork(checkpoint, prepared)
  return { ...exporterOf(format).planBytes(network, undefined, offered), running: runningMemory(network) }
}

/** The options of a quantizer with these parameters. Faults 'bad-arguments' on one that is not known and on parameters that do
 *  not fit its schema. */
export function offeredBy({ method, parameters }: MethodUse): Offered | undefined {
  const quantizer = compressorOf(method)
  if (quantizer === undefined)
    throw new Fault('bad-arguments', `There is no quantizer "${method}".`, {
      hint: `Known: ${compressors.map(({ id }) => id).join(', ')}.`,
      data: { field: 'quantizer', found: method },
    })
  const parsed = quantizer.params.safeParse(parameters)
  if (!parsed.success) throw new Fault('bad-arguments', `${method}: ${z.prettifyError(parsed.error)}`)
  if (!quantizer.options) return undefined
  return (layer: Layer) => quantizer.options?.(layer, parsed.data) ?? []
}
