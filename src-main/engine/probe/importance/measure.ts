// How much each input channel of a layer matters: its mean squared activation, the diagonal of the layer's Hessian E[x x^T].
//   The "importance matrix" of llama.cpp; LeCun et al. 1989, "Optimal Brain Damage", for the diagonal approximation.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../../src-preload/contract/project.ts'
import type { Network } from '../../checkpoint/network.ts'
import type { Dataset } from '../../data/types.ts'
import type { TaskContext } from '../../protocol.ts'
import { batchSizeFor } from '../../score/samples.ts'
import { collect } from '../collect.ts'
import { graphOfSums, type MeasuredInput } from './graph.ts'

export interface Measured {
  layer: string
  sums: Float64Array // [cols]: sum of squares of each column's input
  count: number // rows (tokens, image places) that went into them
}

interface Sums {
  squares: Float64Array // [channels]
  count: number
}

/** Sums over the calibration part, at most `samples` of it. Faults 'bad-data' where an activation is not finite. */
export async function measureImportance(
  args: { network: Network; dataset: Dataset; samples: number; device: DeviceId },
  context: TaskContext,
): Promise<{ layers: Measured[]; samples: number }> {
  const { network, dataset, samples, device } = args
  if (network.graph === null)
    throw new Fault('unsupported', `${network.name} holds tensors only: there is no graph to run on data.`, {
      hint: 'Round without weights, or give an imatrix file.',
      data: { file: network.path },
    })
  const { graph, inputs } = graphOfSums(network, network.graph)
  const totals = new Map<string, Sums>()
  const values = inputs.flatMap(({ sums, size }) => [sums, size])
  const pass = { network: { ...network, graph }, part: dataset.calibrate, values, device, samples }
  const seen = await collect(
    { ...pass, batchSize: batchSizeFor(network) },
    (outputs) => {
      for (const { sums, size, channels } of new Map(inputs.map((each) => [each.sums, each])).values()) {
        const total = totals.get(sums) ?? { squares: new Float64Array(channels), count: 0 }
        const found = outputs[sums]?.data ?? []
        for (let c = 0; c < channels; c++) total.squares[c] = (total.squares[c] as number) + Number(found[c])
        total.count += Number(outputs[size]?.data[0] ?? 0) / channels
        totals.set(sums, total)
      }
    },
    context,
  )
  return { layers: inputs.map((input) => measured(input, totals.get(input.sums), network)), samples: seen }
}

/** Columns of a convolution stand for a channel and a place of the kernel; all places of a channel see the same values but
 *  for the border. A grouped one shares its columns among groups: their mean. */
function measured(
  { layer, channels, groups, spread }: MeasuredInput,
  total: Sums | undefined,
  network: Network,
): Measured {
  const sums = new Float64Array(layer.cols)
  const own = channels / groups
  for (let c = 0; c < layer.cols; c++) {
    const channel = Math.floor(c / spread)
    let sum = 0
    for (let g = 0; g < groups; g++) sum += total?.squares[g * own + channel] ?? 0
    sums[c] = sum / groups
  }
  if (!sums.every(Number.isFinite))
    throw new Fault('bad-data', `${network.name}: the activations that enter ${layer.name} are not all finite.`, {
      hint: 'Look at the calibration data and at the checkpoint: its outputs cannot be trusted either.',
      data: { file: network.path, tensor: layer.name },
    })
  return { layer: layer.name, sums, count: total?.count ?? 0 }
}
