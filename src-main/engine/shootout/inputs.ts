import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { collectHessians } from '../calibrate/collect.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import type { Dataset } from '../data/types.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import type { TaskContext } from '../protocol.ts'

/** What flows into a layer: one Hessian, or one for each group of a convolution. */
export interface LayerInputs {
  calibrate: readonly Hessian[] // what quantizers may look at
  judge: readonly Hessian[] // what their errors are measured on; of other samples where the data has any
  source: string // of the judge, in words
}

interface Wanted {
  network: Network
  dataset: Dataset
  layer: Layer
  samples: number
  device: DeviceId
}

const kept = new WeakMap<Network, Map<string, LayerInputs | null>>()
const mostKept = 4 // Hessians of a wide layer take 64 MiB

/** Inputs of a layer on calibration and on evaluation samples; null where nothing flows into it (a lookup). Kept, for a
 *  shoot-out asks for them once for each quantizer. */
export async function layerInputs(wanted: Wanted, context: TaskContext): Promise<LayerInputs | null> {
  const { network, dataset, layer, samples, device } = wanted
  const known = kept.get(network) ?? new Map<string, LayerInputs | null>()
  kept.set(network, known)
  const key = JSON.stringify([dataset.fingerprint, dataset.split, layer.name, samples, device])
  const found = known.get(key)
  if (found !== undefined) return found
  const inputs = await collect(wanted, context)
  known.set(key, inputs)
  for (const oldest of known.keys()) if (known.size > mostKept) known.delete(oldest)
  return inputs
}

async function collect(
  { network, dataset, layer, samples, device }: Wanted,
  context: TaskContext,
): Promise<LayerInputs | null> {
  const half = (from: number): TaskContext => ({
    ...context,
    progress: ({ fraction, step }) => context.progress({ fraction: from + fraction / 2, step: `inputs: ${step}` }),
  })
  const options = { layers: [layer.name], device }
  const seen = await collectHessians(network, dataset, { ...options, samples }, half(0))
  const calibrate = seen.get(layer.name)
  if (!calibrate?.length) return null
  // Judged on what no quantizer saw: one that fits its calibration rows too closely must not look better for it.
  const { evaluate } = dataset
  const others = Math.min(samples, evaluate.samples)
  const unseen = others > 0 ? { ...dataset, calibrate: evaluate } : dataset
  const judged = await collectHessians(network, unseen, { ...options, samples: others || samples }, half(0.5))
  const judge = judged.get(layer.name) ?? calibrate
  const rows = judge.reduce((most, hessian) => Math.max(most, hessian.rows), 0)
  const part = others > 0 ? 'evaluation' : 'calibration'
  const source = `output error over ${rows} rows of ${others || samples} ${part} samples`
  return { calibrate, judge, source }
}
