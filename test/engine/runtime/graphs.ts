import { int, node, type Graph, type Initializer } from '../../../src-main/engine/graph/ir.ts'
import type { WeightReader } from '../../../src-main/engine/runtime/types.ts'

const empty = {
  irVersion: 10,
  opsets: new Map([['', 17]]),
  values: new Map(),
  functions: [],
  metadata: new Map(),
  producer: 'test',
}

/** y = x w^T, w [2, 3] by name from a weight reader. */
export const linearGraph = (): Graph => ({
  ...empty,
  name: 'linear',
  nodes: [node('Gemm', ['x', 'w'], ['y'], { transB: int(1) })],
  inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 3] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 2] }],
  initializers: new Map<string, Initializer>([
    ['w', { name: 'w', dtype: 'float32', shape: [2, 3], data: { source: 'w' } }],
  ]),
})

export const linearWeights = Float32Array.of(1, 2, 3, -1, 0, 1)
export const linearReader: WeightReader = () => new Uint8Array(linearWeights.buffer)

/** One node between graph inputs and outputs, for element types. */
export const identityGraph = (dtype: Graph['inputs'][number]['dtype']): Graph => ({
  ...empty,
  name: `identity ${dtype}`,
  nodes: [node('Identity', ['x'], ['y'])],
  inputs: [{ name: 'x', dtype, shape: ['n'] }],
  outputs: [{ name: 'y', dtype, shape: ['n'] }],
  initializers: new Map(),
})
