// Bias correction: after its weights were changed, what a layer gives has its old mean again, channel by channel.
//   Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.2 and appendix D
//   (empirical): b' = b + E[y] - E[y~], y of the original network, y~ of the compressed one whose layers before are
//   corrected already. As batch norm would estimate its means anew (Hubara et al. 2020, "Improving Post Training Neural
//   Quantization: Layer-wise Calibration and Integer Programming", section 5): in one forward pass, each batch's means are
//   set right on the way; the changes of a bias are averaged over the batches.
// Measured, one scale a channel, KL before and after (256 calibration images): resnet20 at 4 bits 0.183 to 0.090, at 2 bits
// 20.2 to 2.7; at 3 bits 0.70 to 0.72; squeezenet at 3 bits 3.8 to 6.9: where little of the function is left it may harm.
// Closed form, no gradients. Changes biases only: layers without one stay as they are and are named. Batches with padding or
// idle samples are left out. Cost: two forward passes over calibration data, after all layers are compressed.
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { batchesOf, samplesOf } from '../calibrate/batches.ts'
import { feedsFor } from '../calibrate/collect.ts'
import { realRows } from '../calibrate/rows.ts'
import { weightReader } from '../checkpoint/weights.ts'
import { segment } from '../graph/segment.ts'
import type { TaskContext } from '../protocol.ts'
import { openSession } from '../runtime/session.ts'
import type { TensorValue } from '../runtime/types.ts'
import { type Biased, biasedLayers, withMeans } from './channel-means.ts'
import { definePreparation, type MeasureArguments, type Measured } from './define.ts'
import { Rewriting, type Runnable } from './rewriting.ts'
import { runnable } from './seamed.ts'

export const biasCorrection = definePreparation({
  id: 'bias-correction',
  family: 'prepare',
  finishes: true,
  title: 'Bias correction',
  summary:
    'Once layers are compressed, moves their biases so that the mean of every output channel is the original one',
  cite: 'Nagel et al. 2019, Data-Free Quantization Through Weight Equalization and Bias Correction, section 4.2',
  formula: "b' = b + E[y] - E[y~], layer after layer",
  cost: 'Two forward passes over calibration data, after compression',
  needs: ['weights', 'activations'],
  version: 1,
  params: z.object({}),
  refuses({ graph }) {
    if (!graph) return 'it holds tensors only, without a graph'
    return biasedLayers(graph).length > 0 ? null : 'none of its layers has a bias in float32'
  },
  async measure(args, _, context) {
    const network = runnable(args.network)
    const compressed = args.compressed ?? new Map<string, Float32Array>()
    const layers = biasedLayers(network.graph).filter(({ weight }) => compressed.has(weight))
    tellOthers([...compressed.keys()], layers, context)
    return layers.length === 0 ? new Map() : changes({ ...args, network, compressed }, layers, context)
  },
  apply(network, _, { measured }) {
    const rewriting = new Rewriting(runnable(network))
    for (const [bias, change] of measured ?? []) rewriting.step(bias, { kind: 'add', values: () => change })
    return measured ? rewriting.finish() : network
  },
})

function tellOthers(compressed: readonly string[], layers: readonly Biased[], { notify }: TaskContext): void {
  const corrected = new Set(layers.map(({ weight }) => weight))
  const others = compressed.filter((name) => !corrected.has(name))
  const [first = '', ...more] = others
  if (others.length === 0) return
  const who = more.length === 0 ? first : `${first} and ${more.length} more layers`
  notify(`${who}: without a bias of their own, their means stay as compression left them.`)
}

type Given = MeasureArguments & { network: Runnable; compressed: ReadonlyMap<string, Float32Array> }

/** E[y] - E[y~] of each layer, by its bias. */
async function changes(
  { network, dataset, samples, device, compressed }: Given,
  layers: readonly Biased[],
  context: TaskContext,
): Promise<Measured> {
  const count = samplesOf(dataset, samples, context.notify)
  const [before, after] = [withMeans(network.graph, layers, false), withMeans(network.graph, layers, true)]
  const open = ({ graph }: typeof before, weights?: ReadonlyMap<string, Float32Array>) => {
    const part = segment(graph, { outputs: graph.outputs.map(({ name }) => name) })
    return openSession(part, weightReader({ ...network, graph }, weights), { device }, context.notify)
  }
  const original = await open(before)
  const changed = await open(after, compressed).catch(async (error: unknown) => {
    await original.release()
    throw error
  })
  const sums = new Map(layers.map(({ bias, channels }) => [bias, new Float64Array(channels)]))
  let [done, used] = [0, 0]
  try {
    for await (const batch of batchesOf(network, dataset, count)) {
      done += batch.size
      const rows = realRows(network, batch)
      if (rows.weights !== null) continue
      used += batch.size
      const wanted = await original.run(feedsFor(original, batch, rows.samples, new Map()))
      const targets = new Map(
        layers.map(({ weight }): [string, TensorValue] => [
          after.targets.get(weight) ?? '',
          wanted[before.means.get(weight) ?? ''] as TensorValue,
        ]),
      )
      const found = await changed.run(feedsFor(changed, batch, rows.samples, targets))
      for (const { weight, bias } of layers) {
        const [to, from] = [wanted[before.means.get(weight) ?? ''], found[after.means.get(weight) ?? '']]
        addDifference(sums.get(bias), to, from, batch.size)
      }
      context.progress({ fraction: done / count, step: `${done} of ${count} samples` })
    }
  } finally {
    await original.release()
    await changed.release()
  }
  if (used === 0)
    throw new Fault('bad-data', `${dataset.path}: every batch of its calibration samples holds padding.`, {
      hint: 'Leave bias correction out, or give calibration samples that fill their windows.',
      data: { file: dataset.path, found: 'padding in every batch' },
    })
  return new Map(
    [...sums].map(([bias, sum]) => [
      bias,
      finite(
        Float32Array.from(sum, (x) => x / used),
        bias,
        network,
      ),
    ]),
  )
}

function addDifference(sum: Float64Array | undefined, to?: TensorValue, from?: TensorValue, weight = 1): void {
  for (let c = 0; sum && c < sum.length; c++)
    sum[c] = (sum[c] as number) + weight * (Number(to?.data[c]) - Number(from?.data[c]))
}

function finite(values: Float32Array, bias: string, { name }: Runnable): Float32Array {
  const bad = values.find((value) => !Number.isFinite(value))
  if (bad === undefined) return values
  throw new Fault('bad-data', `${name}: what the layer of ${bias} gives is not finite.`, {
    hint: 'Give the layers before it more bits or fewer zeros, or leave bias correction out.',
    data: { tensor: bias, expected: 'finite means', found: String(bad) },
  })
}
