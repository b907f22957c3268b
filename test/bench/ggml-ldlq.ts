// Every GGUF block type alone (no mix) on real language models: to nearest with measured importance, and with error feedback
// and refinement, against ggml's own encoder with its importance matrix (mean squared activations of the same calibration
// text). Layers take the type, the token embedding too (Q2_K or IQ3_S where llama.cpp's quantizer takes those: nothing is
// measured for it), the output matrix at least Q6_K. Judged by Lathe's own evaluation against float32 on valid.txt.
//   LATHE_TYPES=Q2_K,Q3_K  only these      LATHE_SAMPLES=24  of the evaluation windows only so many
//   LATHE_CALIBRATION=100  calibration windows (default 400)
import type { Layer, Network } from '../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../src-main/engine/checkpoint/open.ts'
import { readMatrix, toMemoryOrder } from '../../src-main/engine/checkpoint/weights.ts'
import { collectHessians } from '../../src-main/engine/calibrate/collect.ts'
import { openDataset } from '../../src-main/engine/data/open.ts'
import type { Dataset } from '../../src-main/engine/data/types.ts'
import { evaluateNetwork } from '../../src-main/engine/evaluate/evaluate.ts'
import { fittingType } from '../../src-main/engine/export/gguf/types.ts'
import { decodeBlocks } from '../../src-main/engine/kernels/ggml/decode.ts'
import { encodeRows } from '../../src-main/engine/kernels/ggml/encode.ts'
import { feedbackTypes, type FeedbackType, isFeedbackType } from '../../src-main/engine/kernels/ggml/feedback/fields.ts'
import { bitsPerWeight, type GgmlType } from '../../src-main/engine/kernels/ggml/types.ts'
import { outputError } from '../../src-main/engine/kernels/linear/error.ts'
import type { Hessian } from '../../src-main/engine/kernels/linear/types.ts'
import { chooseBlocks } from '../../src-main/engine/quantize/ggml-ldlq/refine-blocks.ts'
import { rowsOf } from '../../src-main/engine/quantize/rows.ts'
import type { BlockMatrix, WeightMatrix } from '../../src-main/engine/quantize/types.ts'
import { dataPath, hasData, skipReason } from '../helpers/data.ts'
import { ggmlQuantize, hasGgml } from '../helpers/ggml.ts'

const quiet = { progress: () => undefined, notify: () => undefined }
const methods = ['ggml', 'nearest', 'ldlq'] as const
type Method = (typeof methods)[number]

export async function benchGgmlLdlq(): Promise<void> {
  if (!hasData || !hasGgml) return console.log(skipReason)
  const samples = Number(process.env.LATHE_CALIBRATION ?? 400)
  const only = process.env.LATHE_TYPES?.split(',')
  for (const model of (process.env.LATHE_MODELS ?? 'novels-5m,stories260K').split(',')) {
    const network = openNetwork(dataPath(model))
    const dataset = await openDataset({ path: dataPath(model), split: 'auto' }, network)
    const began = performance.now()
    const hessians = await collectHessians(network, dataset, { samples, device: 'cpu' }, quiet)
    console.log(`\n${model}: Hessians of ${hessians.size} layers, ${samples} windows, ${seconds(began)} s`)
    console.log('| type | bytes | KL ggml | KL nearest | KL ldlq | ldlq / ggml | ln ppl ggml | nearest | ldlq | error ggml | nearest | ldlq | s |') // prettier-ignore
    console.log('| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
    for (const type of feedbackTypes.filter((each) => only?.includes(each) ?? true))
      await benchType(network, dataset, hessians, type)
    network.source.close()
  }
}

const seconds = (began: number) => ((performance.now() - began) / 1000).toFixed(1)

async function benchType(
  network: Network,
  dataset: Dataset,
  hessians: ReadonlyMap<string, Hessian[]>,
  type: FeedbackType,
): Promise<void> {
  const found: { kl: number; ratio: number; error: number; bytes: number; took: string }[] = []
  for (const method of methods) {
    const began = performance.now()
    const overrides = new Map<string, Float32Array>()
    let [error, energy, bytes] = [0, 0, 0]
    for (const layer of network.layers.filter(({ compressible }) => compressible)) {
      const own = hessians.get(layer.name)?.[0]
      const wanted = fittingType(typeOf(network, layer, type), layer.cols)
      const matrix = readMatrix(network, layer)
      const blocks = await encode(method, wanted, matrix, own, layer.name)
      bytes += blocks.blocks.length
      overrides.set(layer.name, toMemoryOrder(layer, { ...matrix, data: decodeBlocks(wanted, blocks.blocks) }))
      if (own === undefined) continue
      const lost = await outputError(rowsOf(matrix), blocks, own)
      error += lost.error
      energy += lost.energy
    }
    const took = seconds(began)
    const limit = process.env.LATHE_SAMPLES === undefined ? {} : { limit: Number(process.env.LATHE_SAMPLES) }
    const { metrics } = await evaluateNetwork(
      { network, dataset, part: 'evaluate', overrides, device: 'cpu', ...limit },
      quiet,
    )
    const [kl, ratio] = [metrics.klDivergence?.value ?? NaN, metrics.logPerplexityRatio?.value ?? NaN]
    found.push({ kl, ratio, error: error / energy, bytes, took })
  }
  const row = (pick: (each: (typeof found)[number]) => string) => found.map(pick).join(' | ')
  const share = (found[2]?.kl ?? NaN) / (found[0]?.kl ?? NaN)
  console.log(
    `| ${type} | ${found[2]?.bytes} | ${row(({ kl }) => kl.toFixed(5))} | ${share.toFixed(3)} | ${row(({ ratio }) => ratio.toFixed(4))} | ${row(({ error }) => error.toExponential(2))} | ${row(({ took }) => took)} |`,
  )
}

function typeOf(network: Network, layer: Layer, type: FeedbackType): GgmlType {
  if (layer.name === network.head?.weight) return bitsPerWeight(type) > bitsPerWeight('Q6_K') ? type : 'Q6_K'
  if (layer.role !== 'embed') return type
  if (type.startsWith('IQ2')) return 'Q2_K'
  return type === 'IQ3_XXS' ? 'IQ3_S' : type
}

async function encode(
  method: Method,
  type: GgmlType,
  { data, rows, cols }: WeightMatrix,
  hessian: Hessian | undefined,
  layer: string,
): Promise<BlockMatrix> {
  const importance = hessian && Float32Array.from({ length: cols }, (_, i) => hessian.data[i * (cols + 1)] ?? 0)
  if (method === 'ggml') return { rows, cols, type, blocks: ggmlQuantize(type, data, cols, importance) }
  if (method === 'nearest' || hessian === undefined || !isFeedbackType(type))
    return { rows, cols, type, blocks: encodeRows(type, { rows, cols, weights: data }, { importance }) }
  const options = { damping: Number(process.env.LATHE_DAMPING ?? 0.01), sweeps: Number(process.env.LATHE_SWEEPS ?? 3) }
  return chooseBlocks(rowsOf({ data, rows, cols }), type, options, { layer, hessians: [hessian] })
}
