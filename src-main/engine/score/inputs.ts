// What flows into the layers of a network while its sensitivity is measured: one pass over the calibration samples where the
// Hessians of all layers fit in memory together, else one for each block.
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { collectHessians } from '../calibrate/collect.ts'
import { layerInputs } from '../calibrate/inputs.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import type { Dataset } from '../data/types.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import type { TaskContext } from '../protocol.ts'
import type { Passes } from './swap.ts'

const mostKeptBytes = 2 ** 30
/** A wider layer's Hessian takes more than it tells. */
const widestInput = 8192

export interface InputsOf {
  network: Network
  dataset: Dataset
  samples: number
  device: DeviceId
}

export type LayerHessians = ReadonlyMap<string, readonly Hessian[]>

const kept = new WeakMap<Network, { key: string; found: Promise<LayerHessians> }>()

/** Hessians of these layers; layers whose inputs cannot be had, or are too many, have no entry. */
export async function hessiansFor(
  { network, dataset, samples, device }: InputsOf,
  layers: readonly Layer[],
  passes: Passes,
  context: TaskContext,
): Promise<LayerHessians> {
  if (network.graph === null) return new Map()
  const quiet = { ...context, progress: () => undefined }
  const all = layerInputs(network, network.graph).filter(({ size }) => size <= widestInput)
  const sizes = new Map(all.map(({ key, groups, size }) => [key, groups * size ** 2 * 4]))
  const names = all.map(({ layer }) => layer.name)
  const collect = (wanted: readonly string[]): Promise<LayerHessians> => {
    if (wanted.length === 0) return Promise.resolve(new Map())
    passes.count += 1
    return collectHessians(network, dataset, { layers: wanted, samples, device }, quiet)
  }
  if ([...sizes.values()].reduce((sum, bytes) => sum + bytes, 0) > mostKeptBytes) {
    const own = new Set(layers.map(({ name }) => name))
    return collect(names.filter((name) => own.has(name)))
  }
  const key = JSON.stringify([dataset.fingerprint, dataset.split, samples, device])
  const known = kept.get(network)
  if (known?.key === key) return known.found
  const found = collect(names)
  kept.set(network, { key, found })
  found.catch(() => kept.delete(network))
  return found
}
