// Relative squared error of every GGUF block type, ours and that of llama.cpp's own encoder (called in its library), on
// normal rows and on the layers of a language model, without and with importance. npm run bench ggml-error.
import { openNetwork } from '../../src-main/engine/checkpoint/open.ts'
import { readMatrix } from '../../src-main/engine/checkpoint/weights.ts'
import { decodeBlocks } from '../../src-main/engine/kernels/ggml/decode.ts'
import { encodeRows } from '../../src-main/engine/kernels/ggml/encode.ts'
import { bitsPerWeight, ggmlTypes, writableTypes } from '../../src-main/engine/kernels/ggml/types.ts'
import type { WeightMatrix } from '../../src-main/engine/quantize/types.ts'
import { gaussianMatrix, uniform } from '../engine/kernels/random.ts'
import { dataPath, hasData } from '../helpers/data.ts'
import { ggmlQuantize, hasGgml, skipReason } from '../helpers/ggml.ts'

const ROWS = 96 // of each layer

export function benchGgmlError(): void {
  if (!hasGgml) {
    console.log(skipReason)
    return
  }
  const sets: [string, WeightMatrix[]][] = [['normal rows', [gaussianMatrix(128, 2048, 5)]]]
  if (hasData) sets.push(['novels-5m', realLayers(dataPath('novels-5m'))])
  for (const [name, matrices] of sets) {
    console.log(`\nrelative squared error, ${name}`)
    console.log('| type | bits | ours | ggml | ratio | ours weighted | ggml weighted | ratio |')
    console.log('| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
    for (const type of writableTypes.filter((candidate) => ggmlTypes[candidate].blockSize > 1)) {
      const cells = [false, true].flatMap((weighted) => {
        let [ours, theirs, all] = [0, 0, 0]
        for (const matrix of matrices) {
          const { data, rows, cols } = matrix
          const h = weighted ? importanceOf(cols) : undefined
          ours += squaredError(matrix, decodeBlocks(type, encodeRows(type, { rows, cols, weights: data }, { importance: h })), h) // prettier-ignore
          theirs += squaredError(matrix, decodeBlocks(type, ggmlQuantize(type, data, cols, h)), h)
          all += squaredError(matrix, new Float32Array(data.length), h)
        }
        return [(ours / all).toExponential(3), (theirs / all).toExponential(3), (ours / theirs).toFixed(3)]
      })
      console.log(`| ${type} | ${bitsPerWeight(type)} | ${cells.join(' | ')} |`)
    }
  }
}

function squaredError({ data, cols }: WeightMatrix, found: Float32Array, h: Float32Array | undefined): number {
  return data.reduce((sum, value, i) => sum + (h?.[i % cols] ?? 1) * (value - (found[i] ?? 0)) ** 2, 0)
}

/** Columns matter unevenly, as activations do. */
function importanceOf(cols: number): Float32Array {
  const next = uniform(11)
  return Float32Array.from({ length: cols }, () => Math.exp(5 * (next() - 0.5)) * (next() < 0.02 ? 30 : 1))
}

function realLayers(path: string): WeightMatrix[] {
  const network = openNetwork(path)
  try {
    const fitting = network.layers.filter(({ compressible, cols }) => compressible && cols % 256 === 0)
    return fitting.map((layer) => readMatrix(network, layer, { begin: 0, end: Math.min(ROWS, layer.rows) }))
  } finally {
    network.source.close()
  }
}
