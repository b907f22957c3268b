// Runs models on plain ONNX Runtime, the judge of everything the reader and writer do.
import ort from 'onnxruntime-node'
import { encodeModel } from '../../../src-main/engine/checkpoint/onnx/encode.ts'
import type { Graph } from '../../../src-main/engine/graph/ir.ts'
import type { WeightReader } from '../../../src-main/engine/runtime/types.ts'
import { noise } from './build.ts'

export type Feeds = Record<string, ort.Tensor>
export type Results = Record<string, Uint8Array>
const session = (model: string | Uint8Array, optimize: boolean) => {
  const options: ort.InferenceSession.SessionOptions = {
    logSeverityLevel: 4,
    intraOpNumThreads: 1,
    graphOptimizationLevel: optimize ? 'all' : 'disabled',
  }
  return typeof model === 'string'
    ? ort.InferenceSession.create(model, options)
    : ort.InferenceSession.create(model, options)
}

/** Seeded inputs for a graph; free dimensions take `size`, or the value given for the input's name. */
export function feedsFor(graph: Graph, size = 2, shapes: Record<string, number[]> = {}): Feeds {
  return Object.fromEntries(
    graph.inputs.map((input, i) => {
      const dims = shapes[input.name] ?? (input.shape ?? []).map((dim) => (typeof dim === 'number' ? dim : size))
      const count = dims.reduce((a, b) => a * b, 1)
      const tensor =
        input.dtype === 'int64'
          ? new ort.Tensor(
              'int64',
              BigInt64Array.from({ length: count }, () => 16_000n),
              dims,
            )
          : new ort.Tensor('float32', Float32Array.from(noise(count, i + 1)), dims)
      return [input.name, tensor]
    }),
  )
}

/** All outputs as tensors. Feeds that the model does not take are left out. */
export async function run(model: string | Uint8Array, feeds: Feeds, optimize = true): Promise<Feeds> {
  const open = await session(model, optimize)
  const used = Object.fromEntries(Object.entries(feeds).filter(([name]) => open.inputNames.includes(name)))
  const result = (await open.run(used)) as Feeds
  await open.release()
  return result
}

export const bytesOf = (results: Feeds): Results =>
  Object.fromEntries(
    Object.entries(results).map(([name, { data }]) => {
      const view = data as Float32Array
      return [name, new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice()]
    }),
  )

export const inlineWeights =
  (graph: Graph, fallback?: WeightReader): WeightReader =>
  (name) => {
    const data = graph.initializers.get(name)?.data
    if (data && 'inline' in data) return data.inline
    if (fallback) return fallback(name)
    throw new Error(`no weight ${name}`)
  }

export const runGraph = (graph: Graph, feeds: Feeds, weights = inlineWeights(graph), optimize = true) =>
  run(encodeModel(graph, weights), feeds, optimize)
