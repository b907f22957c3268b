// Weight error and bytes of level codings, HQQ and elastic widths beside round to nearest, on layers of real networks.
import { openNetwork } from '../../src-main/engine/checkpoint/open.ts'
import { readMatrix } from '../../src-main/engine/checkpoint/weights.ts'
import { packedBytes } from '../../src-main/engine/kernels/bits.ts'
import { codedBytes } from '../../src-main/engine/quantize/codings/define.ts'
import { weightError } from '../../src-main/engine/quantize/dequantize.ts'
import { applyOption, rtnOption } from '../../src-main/engine/quantize/options.ts'
import { rowsOf } from '../../src-main/engine/quantize/rows.ts'
import { type CompressedMatrix, isBlocks, isCoded } from '../../src-main/engine/quantize/types.ts'
import type { Option } from '../../src-preload/contract/plan.ts'
import { gaussianMatrix } from '../engine/kernels/random.ts'
import { dataPath, hasData } from '../helpers/data.ts'

const option = (method: string, bits: number, parameters: Option['parameters'] = {}): Option => ({
  id: `${method}-${bits} ${Object.values(parameters).join(' ')}`,
  ...{ method, bits, parameters },
})

/** The plain grid, without a search, and two other searches. */
const grids = (bits: number, symmetric: boolean): Option[] => {
  const plain = rtnOption(bits, 64, symmetric)
  const more = (name: string, parameters: Option['parameters'], method = name): Option => ({ ...plain, id: `${plain.id} ${name}`, method, parameters: { ...plain.parameters, ...parameters } }) // prettier-ignore
  return [
    more('range', { search: 'none' }, 'rtn'),
    plain,
    more('hqq from range', { search: 'none' }, 'hqq'),
    more('hqq from searched', { search: 'mse' }, 'hqq'),
    ...(symmetric ? [more('elastic', {})] : []),
  ]
}

const options: Option[] = [
  option('luq', 1, { groupSize: 64 }),
  option('luq', 1.58, { groupSize: 64 }),
  ...grids(2, true),
  ...grids(2, false),
  option('luq', 2, { groupSize: 64 }),
  option('denseshift', 2, { groupSize: 64 }),
  ...grids(3, true),
  ...grids(3, false),
  option('denseshift', 3, { groupSize: 64 }),
  ...grids(4, true),
  ...grids(4, false),
  option('nf4', 4, { groupSize: 64, search: 'none' }),
  option('nf4', 4, { groupSize: 64 }),
  option('mxfp4', 4, { search: 'none' }),
  option('mxfp4', 4),
  rtnOption(4, 32),
  option('nf4', 4, { groupSize: 32 }),
  option('nvfp4', 4, { search: 'none' }),
  option('nvfp4', 4),
  option('denseshift', 4, { groupSize: 64 }),
  option('denseshift', 4, { groupSize: 64, shiftOnly: true }),
  rtnOption(8, null),
  ...grids(8, true).slice(1),
  option('fp8', 8, { type: 'e4m3', granularity: 'channel', search: 'none' }),
  option('fp8', 8, { type: 'e4m3', granularity: 'channel' }),
  option('fp8', 8, { type: 'e5m2', granularity: 'channel' }),
]

/** Bytes of a weight in Lathe's own file, all overhead but names counted. */
function bytesOf(q: CompressedMatrix): number {
  if (isBlocks(q)) return q.blocks.length
  if (isCoded(q)) return codedBytes(q)
  const scaleBytes = q.scaleType === 'float16' ? 2 : 4
  return packedBytes(q.codes.length, q.bits) + q.scales.length * scaleBytes + (q.symmetric ? 0 : q.zeros.length)
}

const p = (q: CompressedMatrix) => q.rows * q.cols

async function table(model: string): Promise<void> {
  const network = openNetwork(dataPath(model))
  const layers = network.layers.filter(({ compressible }) => compressible)
  console.log(
    `\n${model}: ${layers.length} layers\n${'option'.padEnd(44)} bits/weight  SQNR dB   relative error      s`,
  )
  for (const each of options) {
    let [error, squares, bytes, weights, seconds] = [0, 0, 0, 0, 0]
    for (const layer of layers) {
      const matrix = readMatrix(network, layer)
      const began = performance.now()
      const q = await applyOption(matrix, each, { layer: layer.name })
      seconds += (performance.now() - began) / 1000
      const found = weightError(rowsOf(matrix), q)
      error += found.squaredError
      squares += found.squares
      bytes += bytesOf(q)
      weights += p(q)
    }
    const relative = error / squares
    const cells = [((8 * bytes) / weights).toFixed(3).padStart(11), (-10 * Math.log10(relative)).toFixed(2).padStart(8), relative.toExponential(3).padStart(16), seconds.toFixed(2).padStart(6)] // prettier-ignore
    console.log(`${each.id.padEnd(44)} ${cells.join(' ')}`)
  }
  network.source.close()
}

async function speed(): Promise<void> {
  const matrix = gaussianMatrix(1024, 4096, 1)
  console.log('\n1024 x 4096 normal weights, all threads: GB/s of float32, best of 3')
  for (const each of options) {
    let best = Infinity
    for (let round = 0; round < 3; round++) {
      const began = performance.now()
      await applyOption(matrix, each, { layer: 'bench' })
      best = Math.min(best, performance.now() - began)
    }
    console.log(`${each.id.padEnd(44)} ${((matrix.data.length * 4) / best / 1e6).toFixed(3).padStart(8)}`)
  }
}

export async function benchCodings(): Promise<void> {
  if (hasData) for (const model of ['novels-5m', 'cifar10/resnet32.onnx']) await table(model)
  else console.log('codings: no data')
  await speed()
}
