import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { samplesOf } from '../calibrate/batches.ts'
import { collectHessians, graphOf } from '../calibrate/collect.ts'
import { layersOf, layoutOf } from '../calibrate/layout.ts'
import type { PieceRun } from '../calibrate/run.ts'
import { hessianKey, stageHessians, weighPiece, weightingKey } from '../calibrate/stage.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import type { Dataset } from '../data/types.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import type { TaskContext } from '../protocol.ts'
import type { TokenWeighting } from '../quantize/define.ts'

/** What flows into a layer: one Hessian, or one for each group of a convolution. */
export interface LayerInputs {
  calibrate: readonly Hessian[] // what quantizers may look at
  judge: readonly Hessian[] // what their errors are measured on; of other samples where the data has any
  source: string // of the judge, in words
  notes: string[] // on how rows were weighed
}

interface Wanted {
  network: Network
  dataset: Dataset
  layer: Layer
  samples: number
  device: DeviceId
  /** How the rows that quantizers may look at are weighed; default: all alike. */
  weighting?: TokenWeighting | null
}

const kept = new WeakMap<Network, Map<string, LayerInputs | null>>()
const mostKept = 5 // Hessians of a wide layer take 64 MiB

/** Inputs of a layer on calibration and on evaluation samples; null where nothing flows into it (a lookup). Kept, for a
 *  shoot-out asks for them once for each quantizer. */
export async function layerInputs(wanted: Wanted, context: TaskContext): Promise<LayerInputs | null> {
  const { network, dataset, layer, samples, device, weighting = null } = wanted
  const known = kept.get(network) ?? new Map<string, LayerInputs | null>()
  kept.set(network, known)
  const key = JSON.stringify([dataset.fingerprint, dataset.split, layer.name, samples, device, weightingKey(weighting)])
  const found = known.get(key)
  if (found !== undefined) return found
  const inputs = weighting ? await weigh({ ...wanted, weighting }, context) : await collect(wanted, context)
  known.set(key, inputs)
  for (const oldest of known.keys()) if (known.size > mostKept) known.delete(oldest)
  return inputs
}

/** The same inputs, judged alike, with calibration rows weighed as a run would weigh them, but on the network's own
 *  activations, of which a shoot-out knows no others. */
async function weigh(
  wanted: Wanted & { weighting: TokenWeighting },
  context: TaskContext,
): Promise<LayerInputs | null> {
  const { network, dataset, layer, device, weighting } = wanted
  const alike = await layerInputs({ ...wanted, weighting: null }, context)
  const graph = graphOf(network)
  const found = layoutOf(network, graph).find((piece) => layersOf(piece).some((each) => each.layer.name === layer.name))
  const input = found && layersOf(found).find((each) => each.layer.name === layer.name)?.input
  if (!alike || !found || !input) return alike
  const notes: string[] = []
  const notify = (note: string): void => void notes.push(note)
  const samples = samplesOf(dataset, wanted.samples, notify)
  const run: PieceRun = {
    ...{ network, graph, dataset, samples, device, notify, state: null, weights: new Map(), views: 1 },
    piece: { ...found, border: [] }, // from the network's inputs on
  }
  const tokens = await weighPiece(run, [weighting])
  const step = `inputs weighed by ${weighting.strategy}`
  const report = (done: number): void => context.progress({ fraction: done / samples, step })
  const hessians = await stageHessians(run, [{ input, weighting }], tokens, report)
  return { ...alike, notes, calibrate: hessians.get(hessianKey({ input, weighting })) ?? alike.calibrate }
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
  return { calibrate, judge, source, notes: [] }
}
