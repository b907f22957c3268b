// Does the zeroth-order estimate order layers as their gradients do? The norm of each layer's gradient comes from central
// differences of some of its weights, drawn at random: another way to the same number, without directions.
import { resolve } from 'node:path'
import { readFloat32, weightReader } from '../../src-main/engine/checkpoint/weights.ts'
import { openNetwork } from '../../src-main/engine/checkpoint/open.ts'
import { openDataset } from '../../src-main/engine/data/open.ts'
import { random } from '../../src-main/engine/data/random.ts'
import type { Batch } from '../../src-main/engine/data/types.ts'
import { openSession } from '../../src-main/engine/runtime/session.ts'
import { lossGraph, measureLoss } from '../../src-main/engine/score/cross-entropy.ts'
import { measureScores } from '../../src-main/engine/score/measure.ts'
import { quiet } from '../engine/score/network.ts'
import { dataPath, hasData } from '../helpers/data.ts'

const SEED = 7
const COORDINATES = 64

const models: [string, string, string][] = [
  ['vision sample', resolve('resources/samples/vision/model.onnx'), resolve('resources/samples/vision')],
  ...(hasData
    ? ([['resnet20', dataPath('cifar10/resnet20.onnx'), dataPath('cifar10')]] as [string, string, string][])
    : []),
]

export async function benchZerothOrder(): Promise<void> {
  for (const [name, path, data] of models) {
    const network = openNetwork(path)
    const dataset = await openDataset({ path: data, split: 'auto' }, network)
    const args = { network, dataset, device: 'cpu', samples: 64, seed: SEED } as const
    const layers = network.layers.filter(({ compressible }) => compressible)
    const graph = lossGraph(network)
    const weightInputs = layers.map((layer) => layer.name)
    const session = await openSession(
      graph.graph,
      weightReader(network),
      { device: 'cpu', weightInputs },
      () => undefined,
    )
    const weights = new Map(layers.map((layer) => [layer.name, { layer, data: readFloat32(network, layer.name) }]))
    const batches: Batch[] = []
    for await (const batch of dataset.calibrate.batches({ batchSize: 64, limit: 64 })) batches.push(batch)
    const loss = async () => {
      const fed = Object.fromEntries(
        [...weights].map(([key, { layer, data }]) => [key, { dtype: 'float32' as const, dims: layer.shape, data }]),
      )
      const [batch] = batches
      const { sum, rows } = await measureLoss(
        session,
        graph,
        { ...batch?.feeds, ...fed },
        batch?.targets ?? new Int32Array(),
      )
      return sum / rows
    }
    const source = random(SEED)
    const norms: number[] = []
    for (const { layer, data } of weights.values()) {
      const step = 0.05 * Math.sqrt(data.reduce((sum, w) => sum + w * w, 0) / data.length)
      let squares = 0
      for (let draw = 0; draw < COORDINATES; draw++) {
        const at = Math.floor(source.uniform() * data.length)
        const weight = data[at] ?? 0
        data[at] = weight + step
        const above = await loss()
        data[at] = weight - step
        squares += ((above - (await loss())) / (2 * step)) ** 2
        data[at] = weight
      }
      norms.push(Math.sqrt((squares / COORDINATES) * layer.parameters))
    }
    await session.release()
    for (const perturbations of [4, 16, 64]) {
      const began = performance.now()
      const [result] = await measureScores(args, [{ method: 'ecoflap', parameters: { perturbations } }], quiet)
      const values = layers.map((layer) => result?.values.find(({ key }) => key === layer.name)?.value ?? NaN)
      const seconds = ((performance.now() - began) / 1000).toFixed(1)
      console.log(
        `zeroth-order  ${name}: ${perturbations} draws, Spearman ${spearman(values, norms).toFixed(3)}, ${seconds} s`,
      )
    }
  }
}

function spearman(a: readonly number[], b: readonly number[]): number {
  const ranks = (values: readonly number[]) => values.map((value) => values.filter((other) => other < value).length)
  const [x, y] = [ranks(a), ranks(b)]
  const mean = (a.length - 1) / 2
  const product = (p: readonly number[], q: readonly number[]) =>
    p.reduce((sum, value, i) => sum + (value - mean) * ((q[i] ?? 0) - mean), 0)
  return product(x, y) / Math.sqrt(product(x, x) * product(y, y))
}
