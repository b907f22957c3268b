// Vector quantizers against single weights: output error of layers and quality of whole networks, bits all counted.
//   npm run bench vectors
import { collectHessians } from '../../src-main/engine/calibrate/collect.ts'
import type { Layer, Network } from '../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../src-main/engine/checkpoint/open.ts'
import { readMatrix, toMemoryOrder } from '../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../src-main/engine/data/open.ts'
import { evaluateNetwork } from '../../src-main/engine/evaluate/evaluate.ts'
import { outputError } from '../../src-main/engine/kernels/linear/error.ts'
import type { Hessian } from '../../src-main/engine/kernels/linear/types.ts'
import { selectReference } from '../../src-main/engine/kernels/select/select.ref.ts'
import { someOfEach, topOfRows } from '../../src-main/engine/kernels/select/select.ts'
import { nearestReference } from '../../src-main/engine/kernels/vectors/kmeans.ref.ts'
import { nearestWords } from '../../src-main/engine/kernels/vectors/kmeans.ts'
import { codedBytes } from '../../src-main/engine/quantize/codings/define.ts'
import { codedFormOf } from '../../src-main/engine/quantize/codings/registry.ts'
import { dequantize } from '../../src-main/engine/quantize/dequantize.ts'
import { shapeFor } from '../../src-main/engine/quantize/lr2vq/shape.ts'
import { applyOption, rtnOption } from '../../src-main/engine/quantize/options.ts'
import { pvq } from '../../src-main/engine/quantize/pvq.ts'
import { rowsOf } from '../../src-main/engine/quantize/rows.ts'
import type { CompressedMatrix } from '../../src-main/engine/quantize/types.ts'
import type { Option } from '../../src-preload/contract/plan.ts'
import { gaussianMatrix } from '../engine/kernels/random.ts'
import { dataPath, hasData, skipReason } from '../helpers/data.ts'
import { printTable, sideBySide } from './measure.ts'

export async function benchVectors(): Promise<void> {
  benchKernels()
  if (!hasData) return console.log(skipReason)
  const language = [...grids([64, 32]), ...pyramids, ...sidecars, ...signs, ...books]
  await compare('stories260K', 'stories260K', 64, language, 2)
  await compare('novels-5m', 'novels-5m', 128, language, 4)
  for (const [model, data] of [
    ['cifar10/resnet32.onnx', 'cifar10'],
    ['squeezenet/squeezenet1.1.onnx', 'squeezenet'],
    ['mobilenet/mobilenet_v1_0.5_160.onnx', 'mobilenet'],
  ] as const)
    await compare(model, data, 128, [...grids([null]), ...books, ...pyramids.slice(0, 3)], 1)
}

type Choose = (layer: Layer) => Option
interface Contender {
  name: string
  choose: Choose
}

const twin = ({ id, bits, parameters }: Option): Option => ({ id, method: 'gptq', bits, parameters })
const grids = (sizes: (number | null)[]): Contender[] =>
  sizes.flatMap((size) =>
    [2, 3, 4].flatMap((bits) => [
      { name: `rtn ${bits} ${size ? `g${size}` : 'channel'}`, choose: () => rtnOption(bits, size) },
      { name: `gptq ${bits} ${size ? `g${size}` : 'channel'}`, choose: () => twin(rtnOption(bits, size)) },
    ]),
  )
const plain = (method: string, bits: number, parameters: Option['parameters']): Option => ({
  id: method,
  ...{ method, bits, parameters },
})
const pyramids = [2, 2.25, 2.5, 3, 3.25, 3.5, 4].map((bits) => ({
  name: `pvq ${bits}`,
  choose: () => plain('pvq', bits, { dims: 16 }),
}))
const sidecars = [2, 3, 4].flatMap((bits) =>
  [4, 8].map((rank) => ({
    name: `sidecar ${bits} g64 rank ${rank}`,
    choose: () => plain('sidecar', bits, { rank, groupSize: 64, symmetric: true, factors: 'int8' }),
  })),
)
const signs = [0, 8, 16].map((rank) => ({
  name: `bipft rank ${rank}`,
  choose: () => plain('bipft', 1, { rank, factors: 'int8' }),
}))
const book = (bits: 1 | 1.5 | 2) => (layer: Layer) =>
  plain('lr2vq', bits, { ...shapeFor(bits, layer.rows * layer.cols) })
const bookBytes = (layer: Layer, bits: 1 | 1.5 | 2): number => {
  const parts = codedFormOf(book(bits)(layer), layer)?.parts ?? {}
  const sizes: Record<string, number> = { float32: 4, float16: 2 }
  return Object.values(parts).reduce(
    (sum, { dtype, shape }) => sum + shape.reduce((n, s) => n * s, sizes[dtype] ?? 1),
    0,
  )
}
const books: Contender[] = [
  ...([1, 1.5, 2] as const).map((bits) => ({ name: `lr2vq ${bits}`, choose: book(bits) })),
  {
    name: 'lr2vq, at most the bytes of 2 bits a channel',
    choose: (layer) => {
      const most = Math.ceil((layer.rows * layer.cols) / 4) + layer.rows * 2
      return book(([2, 1.5, 1] as const).find((bits) => bookBytes(layer, bits) <= most) ?? 1)(layer)
    },
  },
]

const bytesOf = (q: CompressedMatrix): number =>
  'coding' in q
    ? codedBytes(q)
    : 'codes' in q
      ? Math.ceil((q.codes.length * q.bits) / 8) + q.scales.length * 2
      : q.blocks.length

/** Geometric mean of the layers' relative output errors, bytes, and what the whole network then does. Layers with no
 *  Hessian are left as they are. `step`: errors of every so many layers only, for the networks that have many. */
async function compare(model: string, data: string, samples: number, contenders: Contender[], step: number) {
  const network = openNetwork(dataPath(model))
  const dataset = await openDataset({ path: dataPath(data), split: 'auto' }, network)
  const context = { notify: () => undefined, progress: () => undefined, signal: new AbortController().signal }
  const found = await collectHessians(network, dataset, { samples, device: 'cpu' }, context)
  const layers = network.layers.filter(({ name, compressible }) => compressible && found.has(name))
  const evaluate = async (overrides: Map<string, Float32Array> | null) => {
    const limit = network.task === 'causal-lm' ? 48 : 1000
    const args = { network, dataset, part: 'evaluate' as const, overrides, device: 'cpu' as const, limit }
    const { metrics } = await evaluateNetwork(args, context)
    const shown = Object.entries(metrics).filter(([name]) => ['perplexity', 'top1', 'klDivergence'].includes(name))
    return shown.map(([name, metric]) => `${name} ${metric.value.toPrecision(5)}`).join('  ')
  }
  console.log(
    `\n${model}, ${layers.length} layers, ${samples} calibration samples\n  as it is: ${await evaluate(null)}`,
  )
  for (const { name, choose } of contenders) {
    const began = performance.now()
    const overrides = new Map<string, Float32Array>()
    let [bytes, weights, logs, counted] = [0, 0, 0, 0]
    for (const [i, layer] of layers.entries()) {
      const hessians = found.get(layer.name) ?? []
      const { q, relative } = await rounded(network, layer, choose(layer), hessians, i % step === 0)
      overrides.set(layer.name, toMemoryOrder(layer, dequantize(q)))
      bytes += bytesOf(q)
      weights += layer.rows * layer.cols
      if (relative === null || relative === 0) continue
      logs += Math.log(relative)
      counted++
    }
    const seconds = ((performance.now() - began) / 1000).toFixed(0)
    const error = Math.exp(logs / counted).toExponential(3)
    console.log(
      `  ${name.padEnd(46)} ${((bytes * 8) / weights).toFixed(3)} bits/weight  output error ${error}  ${seconds} s  ${await evaluate(overrides)}`,
    )
  }
  network.source.close()
}

async function rounded(network: Network, layer: Layer, option: Option, hessians: Hessian[], measure: boolean) {
  const source = rowsOf(readMatrix(network, layer))
  const q = await applyOption(source, option, { layer: layer.name, hessians })
  return { q, relative: measure ? (await outputError(source, q, hessians)).relative : null }
}

function benchKernels(): void {
  const { data } = gaussianMatrix(1024, 1024, 1)
  const matrix = rowsOf({ data, rows: 1024, cols: 1024 })
  const bytes = data.length * 4
  const q = pvq.apply(matrix, pvq.params.parse({ bits: 3.25 }), { layer: 'bench' })
  const run = (threads: number) => pvq.apply(matrix, pvq.params.parse({ bits: 3.25 }), { layer: 'bench', threads })
  printTable(
    'pvq, 3.25 bits, no Hessian; rates over float32 weights',
    sideBySide(
      [
        { name: 'search and pack, one thread', bytes, run: () => run(1) },
        { name: 'search and pack, two threads', bytes, run: () => run(2) },
      ],
      5,
    ),
  )
  void Promise.resolve(q).then((made) =>
    printTable('pvq, decode', sideBySide([{ name: 'unpack', bytes, run: () => dequantize(made) }], 9)),
  )
  const words = gaussianMatrix(256, 8, 2, 1).data
  const few = data.subarray(0, 8 * 2048)
  printTable(
    'nearest of 256 words of 8; rates over float32 points',
    sideBySide(
      [
        { name: 'plain twin', bytes: few.length * 4, run: () => nearestReference(few, 8, words) },
        { name: 'one thread', bytes, run: () => nearestWords({ data, dims: 8 }, words, 1) },
        { name: 'two threads', bytes, run: () => nearestWords({ data, dims: 8 }, words, 2) },
      ],
      5,
    ),
  )
  printTable(
    'selection, rates over float32 scores',
    sideBySide(
      [
        {
          name: 'half of each row, plain twin',
          bytes: 4 * 65536,
          run: () => selectReference(data.subarray(0, 65536), 64, 1024, 512, 0),
        },
        { name: 'half of each row', bytes, run: () => topOfRows(data, 1024, 1024, 512) },
        { name: '2 of every 4', bytes, run: () => someOfEach(data, 1024, 1024, { n: 2, m: 4 }) },
      ],
      5,
    ),
  )
}
