// Measured sensitivity: every layer under every option, alone, everything else original.
//   loss(layer, option) = mean over predicted rows of KL(p_original || p_candidate), in nats
// Layer losses of small perturbations add up (the second-order cross terms between layers average out), which is what the
// allocator relies on; compare HAWQ-V2 (Dong et al. 2020, section 3) and RD allocation (SYSTEMS.md A1).
// Only what lies behind a block's border is run again. Cost: layers x options runs of half the network on average.
import type { Option } from '../../../src-preload/contract/plan.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import { readMatrix } from '../checkpoint/weights.ts'
import type { Dataset } from '../data/types.ts'
import { cutBefore, segment } from '../graph/segment.ts'
import type { Importance } from '../export/define.ts'
import type { Graph } from '../graph/ir.ts'
import type { TaskContext, TaskResult } from '../protocol.ts'
import { dequantize, weightError } from '../quantize/dequantize.ts'
import { applyOption } from '../quantize/options.ts'
import { contextFor } from '../quantize/weighted.ts'
import { rowsOf } from '../quantize/rows.ts'
import type { WeightMatrix } from '../quantize/types.ts'
import { calibrate, type Calibration } from './calibration.ts'
import { openSuffix } from './suffix.ts'

export interface SensitivityArguments {
  network: Network
  dataset: Dataset | null
  block: number // -1: layers outside blocks
  samples: number
  device: DeviceId
  /** What is tried on each layer: the options of the export format that is planned for. */
  options: ReadonlyMap<string, readonly Option[]>
  importance: Importance | null
}

type LayerLosses = TaskResult<'sensitivity'>['layers'][number]

/** Losses of all options of one block's layers. Without data, or without a graph to run, the relative squared weight
 *  error stands for the loss. */
export async function measureSensitivity(
  args: SensitivityArguments,
  context: TaskContext,
): Promise<TaskResult<'sensitivity'>> {
  const { network, dataset, block, samples, device } = args
  const offered = { options: args.options, importance: args.importance }
  const layers = network.layers.filter((layer) => layer.compressible && (layer.block ?? -1) === block)
  const notices: string[] = []
  const progress = countdown(layers, offered, context)
  if (dataset === null || network.graph === null) {
    const measured: LayerLosses[] = []
    for (const layer of layers) measured.push(await weightErrors(network, layer, offered, progress))
    return { layers: measured, samples: 0, source: 'weight error only (no data)', notices }
  }
  const { graph } = network
  const heard = { ...context, notify: (notice: string) => (notices.push(notice), context.notify(notice)) }
  const calibration = await calibrate({ network, dataset, samples, device }, heard)
  const measured: LayerLosses[] = []
  for (const { cut, layers: together } of sitesOf(network, graph, calibration, block, layers)) {
    const suffix = await openSuffix(network, calibration, cut, together, device, heard)
    try {
      for (const layer of together) {
        const losses: LayerLosses['losses'] = []
        for await (const { option, error, weight } of candidatesOf(network, layer, offered)) {
          const loss = weight === null ? 0 : await suffix.loss(layer, weight)
          losses.push({ option: option.id, loss, error })
          progress(layer)
        }
        measured.push({ name: layer.name, losses })
      }
    } finally {
      await suffix.release()
    }
  }
  const unit = dataset.unit
  const source = `measured one layer at a time on ${calibration.samples} ${unit}`
  return { layers: measured, samples: calibration.samples, source, notices }
}

/** Layers to measure from a common cut. A weight that is also read before the cut (a tied embedding, layers outside
 *  blocks that come first) is measured with the whole network. */
function sitesOf(
  network: Network,
  graph: Graph,
  calibration: Calibration,
  block: number,
  layers: readonly Layer[],
): { cut: string[]; layers: Layer[] }[] {
  const from = block === -1 ? network.blocks.at(-1) : network.blocks.find(({ index }) => index === block)
  const cut = from === undefined ? [] : cutBefore(graph, from)
  if (cut.length === 0) return layers.length === 0 ? [] : [{ cut: [], layers: [...layers] }]
  const before = segment(graph, { outputs: cut }).initializers
  const after = segment(graph, { inputs: cut, outputs: [calibration.judge.value] }).initializers
  const early = layers.filter(({ name }) => before.has(name) && graph.initializers.has(name))
  const late = layers.filter(({ name }) => !before.has(name) && (after.has(name) || name === network.head?.weight))
  return [
    { cut: [], layers: early },
    { cut, layers: late },
  ].filter((site) => site.layers.length > 0)
}

type Offered = Pick<SensitivityArguments, 'options' | 'importance'>

interface Candidate {
  option: Option
  error: number // ||w - q(w)||^2 / ||w||^2
  weight: WeightMatrix | null // null: the original
}

async function* candidatesOf(network: Network, layer: Layer, offered: Offered): AsyncGenerator<Candidate> {
  const matrix = readMatrix(network, layer)
  for (const option of offered.options.get(layer.name) ?? []) {
    if (option.method === 'keep') {
      yield { option, error: 0, weight: null }
      continue
    }
    const q = await applyOption(matrix, option, contextFor(layer, option, offered.importance))
    yield { option, error: weightError(rowsOf(matrix), q).relative, weight: dequantize(q) }
  }
}

async function weightErrors(
  network: Network,
  layer: Layer,
  offered: Offered,
  progress: (layer: Layer) => void,
): Promise<LayerLosses> {
  const losses: LayerLosses['losses'] = []
  for await (const { option, error } of candidatesOf(network, layer, offered)) {
    losses.push({ option: option.id, loss: error, error })
    progress(layer)
  }
  return { name: layer.name, losses }
}

function countdown(layers: readonly Layer[], { options }: Offered, context: TaskContext): (layer: Layer) => void {
  const total = layers.reduce((sum, layer) => sum + (options.get(layer.name)?.length ?? 0), 0)
  let done = 0
  return ({ name }) => context.progress({ fraction: ++done / total, step: name })
}
