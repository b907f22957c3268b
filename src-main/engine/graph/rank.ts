// How many dimensions a value has, as far as a graph tells without full shape inference.
import type { Graph, Node } from './ir.ts'
import { integersOf } from './constants.ts'

const sameAsInput = new Set(
  (
    'Relu LeakyRelu PRelu Elu Selu Celu Gelu HardSwish HardSigmoid Mish Swish Sigmoid Tanh Softplus Softsign Clip Erf Exp Log Sqrt Abs Neg ' +
    'Identity Cast Dropout Softmax LogSoftmax Hardmax BatchNormalization InstanceNormalization LayerNormalization GroupNormalization ' +
    'RMSNormalization LRN Conv ConvTranspose MaxPool AveragePool GlobalAveragePool GlobalMaxPool Pad Slice Concat Transpose Resize Upsample'
  ).split(' '),
)
const ofLargest = new Set('Add Sub Mul Div Pow Min Max Sum Mean Where MatMul'.split(' '))
const longestWalk = 200

/** Rank of each value of a graph; null where unknown. */
export function createRanks(graph: Graph): (name: string) => number | null {
  const known = new Map<string, number | null>()
  for (const initializer of graph.initializers.values()) known.set(initializer.name, initializer.shape.length)
  for (const value of [...graph.values.values(), ...graph.outputs, ...graph.inputs]) {
    if (value.shape) known.set(value.name, value.shape.length)
  }
  const makers = new Map<string, Node>()
  for (const node of graph.nodes) for (const output of node.outputs) makers.set(output, node)

  const rank = (name: string, walk: number): number | null => {
    const found = known.get(name)
    if (found !== undefined) return found
    const node = makers.get(name)
    const result = node && walk < longestWalk ? ofResult(node, walk + 1) : null
    known.set(name, result)
    return result
  }
  const ofResult = (node: Node, walk: number): number | null => {
    if (node.op === 'Gemm' || node.op === 'Flatten') return 2
    if (/^(Conv|ConvTranspose)$/.test(node.op)) {
      const weight = rank(node.inputs[1] ?? '', walk)
      if (weight !== null) return weight
    }
    if (node.op === 'Reshape') return integersOf(graph, node.inputs[1] ?? '')?.length ?? null
    if (sameAsInput.has(node.op)) return rank(node.inputs[0] ?? '', walk)
    if (!ofLargest.has(node.op)) return null
    const ranks = node.inputs.map((input) => rank(input, walk))
    if (ranks.includes(null) || (node.op === 'MatMul' && ranks.includes(1))) return null
    return Math.max(...ranks.map(Number))
  }
  return (name) => rank(name, 0)
}
