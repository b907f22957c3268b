// Losses around a reference: what an option of one layer costs while every other layer is at its reference option, not original.
//   L(choice) = L(reference) + sum_i (L(reference with i at its choice) - L(reference))  + terms of three layers and more
// Each term holds the pairwise interactions of its layer with all the others at once (SYSTEMS.md A7), for the price of the
// plain measurement: the prefix of the rounded network is cached as that of the original is. Kept as the difference to the same
// network with the layer original, so that keeping a layer costs nothing and losses still add up.
import { createHash } from 'node:crypto'
import type { Option } from '../../../src-preload/contract/plan.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { deriveSource } from '../checkpoint/derived.ts'
import type { Network } from '../checkpoint/network.ts'
import { readMatrix, toMemoryOrder } from '../checkpoint/weights.ts'
import type { Dataset } from '../data/types.ts'
import type { Importance } from '../export/define.ts'
import type { TaskContext } from '../protocol.ts'
import { dequantize } from '../quantize/dequantize.ts'
import type { LayerHessians } from './inputs.ts'
import { type Referee, refereeFor } from './referee.ts'
import { openTrial, tryOption } from './tried.ts'

/** The rounded weights lie in memory as floats. */
const mostBytes = 2 ** 31

interface Key {
  network: Network
  dataset: Dataset
  samples: number
  device: DeviceId
}

const rounded = new WeakMap<Network, { key: string; made: Promise<Network> }>()
const originals = new WeakMap<Network, { key: string; referee: Promise<Referee> }>()

const nameOf = (reference: ReadonlyMap<string, Option>): string =>
  createHash('sha256')
    .update(JSON.stringify([...reference].map(([layer, { id }]) => [layer, id])))
    .digest('hex')

/** The network with every layer at its reference option. */
async function roundedNetwork(
  { network, device }: Key,
  reference: ReadonlyMap<string, Option>,
  { hessians, importance }: { hessians: LayerHessians; importance: Importance | null },
): Promise<Network> {
  const derived: Parameters<typeof deriveSource>[1] = new Map()
  for (const layer of network.layers) {
    const option = reference.get(layer.name)
    const info = network.source.tensors.get(layer.name)
    if (option === undefined || option.method === 'keep' || info === undefined) continue
    const known = { hessians: hessians.get(layer.name) ?? null, importance, device }
    const { matrix } = await tryOption(await openTrial(layer, readMatrix(network, layer), known), option)
    const weights = toMemoryOrder(layer, dequantize(matrix))
    const { stored: _, ...plain } = info
    ;(derived as Map<string, unknown>).set(layer.name, {
      info: { ...plain, dtype: 'float32', bytes: weights.byteLength },
      decode: (begin: number, end: number) => weights.subarray(begin, end),
    })
  }
  return {
    ...network,
    fingerprint: `${network.fingerprint} around ${nameOf(reference)}`,
    source: deriveSource(network.source, derived),
  }
}

/** Judges the network with every layer at its reference against the original. Faults 'unsupported' where that cannot be held in
 *  memory, or where the original's answers cannot. */
export async function refereeAround(
  key: Key,
  reference: ReadonlyMap<string, Option>,
  known: { hessians: LayerHessians; importance: Importance | null },
  context: TaskContext,
): Promise<Referee> {
  const { network, dataset, samples, device } = key
  const refuse = (why: string) =>
    new Fault('unsupported', `${network.name} is not measured around a reference: ${why}.`, {
      hint: 'Measure without pairs.',
      data: { file: network.path },
    })
  const bytes = network.layers.reduce((sum, { parameters }) => sum + 4 * parameters, 0)
  if (bytes > mostBytes) throw refuse(`its weights take ${bytes} bytes as floats`)
  const name = JSON.stringify([dataset.fingerprint, dataset.split, samples, device])
  const before = originals.get(network)
  const judged = before?.key === name ? before.referee : refereeFor(key, context)
  originals.set(network, { key: name, referee: judged })
  judged.catch(() => originals.delete(network))
  const original = await judged
  if (original.headOutside || original.output === original.calibration.judge.value)
    throw refuse('its answers are not kept as log-probabilities')
  const made = rounded.get(network)
  const wanted = nameOf(reference)
  const changed = made?.key === wanted ? made.made : roundedNetwork(key, reference, known)
  rounded.set(network, { key: wanted, made: changed })
  changed.catch(() => rounded.delete(network))
  const own = await refereeFor({ ...key, network: await changed }, context)
  return { ...own, feeds: (index) => original.feeds(index), compare: (...args) => original.compare(...args) }
}
