import { encodeModel, measureModel } from '../../../src-main/engine/checkpoint/onnx/encode.ts'
import { emitLayer, type Style } from '../../../src-main/engine/export/onnx/emit-layer.ts'
import { formOf, type StoredMatrix } from '../../../src-main/engine/export/onnx/form.ts'
import { createScope } from '../../../src-main/engine/export/onnx/scope.ts'
import { usesOf } from '../../../src-main/engine/export/onnx/uses.ts'
import { transpose } from '../../../src-main/engine/export/onnx/pack.ts'
import { int, ints, node, type Graph, type Node, type ValueInfo } from '../../../src-main/engine/graph/ir.ts'
import { dequantize } from '../../../src-main/engine/quantize/dequantize.ts'
import { roundToHalf } from '../../../src-main/engine/kernels/float16.ts'
import type { Granularity, QuantizedMatrix } from '../../../src-main/engine/quantize/types.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import type { TensorValue } from '../../../src-main/engine/runtime/types.ts'

/** Seeded uniform numbers in [0, 1). */
export function uniform(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

export interface Shape {
  rows: number
  cols: number
  bits: number
  symmetric: boolean
  granularity: Granularity
  groupSize: number
  scaleType?: 'float16' | 'float32'
}

/** A quantized matrix with random codes, scales and zero points. */
export function randomMatrix(shape: Shape, seed: number): QuantizedMatrix {
  const { rows, cols, bits, symmetric, granularity, scaleType = 'float16' } = shape
  const random = uniform(seed)
  const groupSize = granularity === 'group' ? Math.min(shape.groupSize, cols) : cols
  const groups = Math.ceil(cols / groupSize)
  const count = granularity === 'tensor' ? 1 : rows * groups
  const code = () => Math.floor(random() * 2 ** bits)
  return {
    ...{ rows, cols, bits, symmetric, granularity, groupSize, groups, scaleType },
    codes: Uint8Array.from({ length: rows * cols }, code),
    scales: Float32Array.from({ length: count }, () => roundToHalf((random() - 0.3) * 0.1)),
    zeros: Uint8Array.from({ length: count }, () => (symmetric ? 2 ** (bits - 1) : code())),
  }
}

/** A small network with one weight "w" in the operator under test. */
export interface Case {
  shape: number[]
  order: 'rows' | 'cols'
  nodes: Node[]
  inputs: { info: ValueInfo; value: TensorValue }[]
}

const floats = (name: string, dims: number[], seed: number) => {
  const random = uniform(seed)
  const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random() - 0.5)
  return { info: { name, dtype: 'float32' as const, shape: dims }, value: { dtype: 'float32' as const, dims, data } }
}

const integers = (dims: number[], values: number[]): TensorValue => ({
  dtype: 'int64',
  dims,
  data: BigInt64Array.from(values, BigInt),
})

const idsBelow = (rows: number) => ({
  info: { name: 'ids', dtype: 'int64' as const, shape: [2, 3] },
  value: integers([2, 3], [0, rows - 1, 7, 7, -1, 31]),
})

export const cases = {
  matMul: (rows: number, cols: number): Case => ({
    shape: [cols, rows],
    order: 'cols',
    nodes: [node('MatMul', ['x', 'w'], ['y'])],
    inputs: [floats('x', [2, 3, cols], 5)],
  }),
  gemm: (rows: number, cols: number): Case => ({
    shape: [rows, cols],
    order: 'rows',
    nodes: [node('Gemm', ['x', 'w', 'b'], ['y'], { transB: int(1) })],
    inputs: [floats('x', [3, cols], 5), floats('b', [rows], 6)],
  }),
  /** An input on both sides of the product keeps the weight a plain value. */
  plain: (shape: number[], order: 'rows' | 'cols'): Case => ({
    shape,
    order,
    nodes: [node('Mul', ['w', 'x'], ['y'])],
    inputs: [floats('x', [1], 7)],
  }),
  /** Token ids [2, 3] of a table. */
  lookup: (rows: number, cols: number): Case => ({
    shape: [rows, cols],
    order: 'rows',
    nodes: [node('Gather', ['w', 'ids'], ['y'])],
    inputs: [idsBelow(rows)],
  }),
  /** An embedding whose table is the head as well. */
  tied: (rows: number, cols: number): Case => ({
    shape: [rows, cols],
    order: 'rows',
    nodes: [
      node('Reshape', ['ids', 'flat'], ['list']),
      node('Gather', ['w', 'list'], ['hidden']),
      node('Gemm', ['hidden', 'w'], ['y'], { transB: int(1) }),
    ],
    inputs: [idsBelow(rows), { info: { name: 'flat', dtype: 'int64', shape: [1] }, value: integers([1], [-1]) }],
  }),
  conv: (rows: number, channels: number): Case => ({
    shape: [rows, channels, 3, 3],
    order: 'rows',
    nodes: [node('Conv', ['x', 'w'], ['y'], { pads: ints([1, 1, 1, 1]) })],
    inputs: [floats('x', [1, channels, 6, 6], 8)],
  }),
}

const graphOf = (one: Case, opset: number): Graph => ({
  name: 'g',
  irVersion: opset >= 21 ? 10 : 8,
  opsets: new Map([['', opset]]),
  nodes: one.nodes,
  inputs: one.inputs.map(({ info }) => info),
  outputs: [{ name: 'y', dtype: 'float32', shape: null }],
  initializers: new Map([['w', { name: 'w', dtype: 'float32', shape: one.shape, data: { source: 'w' } }]]),
  values: new Map(),
  functions: [],
  metadata: new Map(),
  producer: '',
})

/** Runs the network with the quantized weight emitted into the graph, and with the dequantized weight in its place. */
export async function runBoth(one: Case, q: StoredMatrix, opset: number, style: Style = 'packed') {
  const graph = graphOf(one, opset)
  const scope = createScope(new Set(['w', 'x', 'y', 'b', 'ids', 'flat', 'list', 'hidden']), 20)
  const slot = { name: 'w', shape: one.shape, dtype: 'float32' as const, order: one.order }
  const { piece, replaced } = emitLayer(scope, slot, formOf(q), usesOf(graph).get('w'), opset, style)
  const shared = [...scope.shared.values()]
  const initializers = [...shared.flatMap((part) => part.initializers), ...piece.initializers]
  const emitted: Graph = {
    ...graph,
    opsets: new Map([...graph.opsets, ['com.microsoft', 1]]),
    nodes: [
      ...shared.flatMap((part) => part.nodes),
      ...piece.nodes,
      ...graph.nodes.flatMap((n) => replaced.get(n) ?? [n]),
    ],
    initializers: new Map(initializers.map((initializer) => [initializer.name, initializer])),
  }
  const payload = (name: string): Uint8Array => piece.payloads.get(name)?.(q) ?? new Uint8Array()
  const { data } = dequantize(q)
  const weight = one.order === 'rows' ? data : transpose(data, new Float32Array(data.length), q.rows, q.cols)
  const feeds = Object.fromEntries(one.inputs.map(({ info, value }) => [info.name, value]))
  const run = async (model: Graph, weights: (name: string) => Uint8Array): Promise<Float32Array> => {
    const session = await openSession(model, weights, { device: 'cpu', threads: 1 }, () => undefined)
    const { y } = await session.run(feeds)
    await session.release()
    return y?.data as Float32Array
  }
  return {
    ops: emitted.nodes.map(({ op }) => op),
    model: encodeModel(emitted, payload),
    bytes: encodeModel(emitted, payload).length,
    measured: measureModel(emitted),
    emitted: await run(emitted, payload),
    expected: await run(graph, () => new Uint8Array(weight.buffer, weight.byteOffset, weight.byteLength)),
  }
}

/** ||a - b|| / ||b||. */
export function relativeError(a: Float32Array, b: Float32Array): number {
  let [error, energy] = [0, 0]
  b.forEach((value, index) => {
    error += ((a[index] ?? NaN) - value) ** 2
    energy += value ** 2
  })
  return Math.sqrt(error / energy)
}
