// Losses around a reference: what an option of one layer costs while every other layer is at its reference option, not original.
//   L(choice) = L(reference) + sum_i (L(reference with i at its choice) - L(reference))  + terms of three layers and more
// Each term holds the pairwise interactions of its layer with all the others at once (SYSTEMS.md A7). Losses count from the same
// network with the layer original, so that keeping a layer costs nothing and losses still add up. Lathe does not plan with these:
// they told held-out recipes worse than losses of each layer alone (npm run bench predictor).
import type { Option } from '../../src-preload/contract/plan.ts'
import type { DeviceId } from '../../src-preload/contract/project.ts'
import { deriveSource } from '../../src-main/engine/checkpoint/derived.ts'
import type { Network } from '../../src-main/engine/checkpoint/network.ts'
import { readMatrix, toMemoryOrder } from '../../src-main/engine/checkpoint/weights.ts'
import type { Dataset } from '../../src-main/engine/data/types.ts'
import type { TaskContext } from '../../src-main/engine/protocol.ts'
import { dequantize } from '../../src-main/engine/quantize/dequantize.ts'
import { anchorsOf } from '../../src-main/engine/score/anchors.ts'
import { hessiansFor, type LayerHessians } from '../../src-main/engine/score/inputs.ts'
import { type Referee, refereeFor } from '../../src-main/engine/score/referee.ts'
import { openStart, openSwap, standardErrorOf } from '../../src-main/engine/score/swap.ts'
import { openTrial, tryOption } from '../../src-main/engine/score/tried.ts'

interface Key {
  network: Network
  dataset: Dataset
  samples: number
  device: DeviceId
}

export interface Around {
  layers: {
    name: string
    losses: {
      option: string
      loss: number | null // null: not run
      standardError: number | null
      error: number
      outputError: number | null
    }[]
  }[]
  whole: number // loss with every layer at its reference
}

const trialOf = (key: Key, layer: Network['layers'][number], hessians: LayerHessians) =>
  openTrial(layer, readMatrix(key.network, layer), {
    ...{ hessians: hessians.get(layer.name) ?? null, importance: null, device: key.device },
  })

/** The network with every layer at its reference option, as floats in memory. */
async function roundedNetwork(
  key: Key,
  reference: ReadonlyMap<string, Option>,
  hessians: LayerHessians,
): Promise<Network> {
  const { network } = key
  const derived = new Map<string, { info: object; decode(begin: number, end: number): Float32Array }>()
  for (const layer of network.layers) {
    const option = reference.get(layer.name)
    const info = network.source.tensors.get(layer.name)
    if (option === undefined || option.method === 'keep' || info === undefined) continue
    const { matrix } = await tryOption(await trialOf(key, layer, hessians), option)
    const weights = toMemoryOrder(layer, dequantize(matrix))
    const { stored: _, ...plain } = info
    derived.set(layer.name, {
      info: { ...plain, dtype: 'float32', bytes: weights.byteLength },
      decode: (begin, end) => weights.subarray(begin, end),
    })
  }
  const source = deriveSource(network.source, derived as Parameters<typeof deriveSource>[1])
  return { ...network, fingerprint: `${network.fingerprint} rounded`, source }
}

/** Some options of each kind, as sensitivity measures them, in all blocks. */
export async function measureAround(
  key: Key,
  options: ReadonlyMap<string, readonly Option[]>,
  reference: ReadonlyMap<string, Option>,
  context: TaskContext,
): Promise<Around> {
  const { network, device } = key
  const passes = { count: 0 }
  const hessians = await hessiansFor(key, network.layers, passes, context)
  const original = await refereeFor(key, context)
  const own = await refereeFor({ ...key, network: await roundedNetwork(key, reference, hessians) }, context)
  const referee: Referee = { ...own, feeds: original.feeds, compare: original.compare }
  const found: Around = { layers: [], whole: 0 }
  const layers = network.layers.filter(({ name }) => (options.get(name) ?? []).length > 0)
  for (const [block, group] of Map.groupBy(layers, (layer) => layer.block ?? -1)) {
    const single = group.map((layer) => [layer])
    const start = await openStart(referee, single, block, device, passes, context)
    for (const [index, layer] of group.entries()) {
      const site = start.sites[index]
      if (site === undefined) continue
      const trial = await trialOf(key, layer, hessians)
      const tried = []
      for (const option of options.get(layer.name) ?? []) tried.push(await tryOption(trial, option))
      const candidates = tried.map(({ option, error, outputError }) => ({
        ...{ id: option.id, method: option.method, error: outputError ?? error },
      }))
      const chosen = anchorsOf(candidates, [])
      const swap = await openSwap(referee, site, start.batches, device, passes, context)
      const base = await swap.loss(new Map([[layer, readMatrix(network, layer)]]))
      found.whole = Math.max(found.whole, (await swap.loss(new Map())).loss)
      const losses: Around['layers'][number]['losses'] = []
      for (const { option, error, outputError, matrix } of tried) {
        const run = chosen.has(option.id) ? await swap.loss(new Map([[layer, dequantize(matrix)]])) : null
        const means = run?.means.map((value, at) => value - (base.means[at] ?? 0)) ?? []
        losses.push({
          ...{ option: option.id, error, outputError, standardError: standardErrorOf(means) },
          loss: run === null || Number.isNaN(run.loss) ? null : run.loss - base.loss,
        })
      }
      await swap.release()
      found.layers.push({ name: layer.name, losses })
    }
  }
  return found
}
