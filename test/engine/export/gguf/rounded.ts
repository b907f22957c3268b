// llama.cpp's arithmetic on processors: before every product with a packed matrix it rounds the activations to 8 bits, in
// blocks like the weights' (ggml-cpu, vec_dot_type), before one with a half precision matrix to that. Lathe does not. This
// puts the same rounding into Lathe's graph, to tell that apart from everything else that may differ.
import type { Network } from '../../../../src-main/engine/checkpoint/network.ts'
import { type Graph, type Initializer, int, type Node, node } from '../../../../src-main/engine/graph/ir.ts'
import { type GgmlType, ggmlTypes } from '../../../../src-main/engine/kernels/ggml/types.ts'

const whole = (name: string, values: number[]): Initializer => {
  const inline = new Uint8Array(BigInt64Array.from(values, BigInt).buffer)
  return { name, dtype: 'int64', shape: [values.length], data: { inline } }
}
const single = (name: string, value: number): Initializer => {
  const inline = new Uint8Array(Float32Array.of(value).buffer)
  return { name, dtype: 'float32', shape: [], data: { inline } }
}

const FLOAT16 = 10 // ONNX TensorProto.DataType
const FLOAT = 1
const BFLOAT16 = 16

export function withRoundedActivations(network: Network): Network {
  const { graph } = network
  if (!graph) throw new Error(network.notices.join(' '))
  const initializers = new Map(graph.initializers)
  for (const each of [single('round.top', 127), single('round.tiny', 1e-30), whole('round.last', [-1])])
    initializers.set(each.name, each)
  const nodes = graph.nodes.flatMap((each): Node[] => {
    const info = each.op === 'Gemm' ? network.source.tensors.get(each.inputs[1] ?? '') : undefined
    if (!info) return [each]
    const { stored, dtype, shape } = info
    const id = `round.${each.outputs[0]}`
    const input = each.inputs[0] as string
    const changed = { ...each, inputs: [`${id}.y`, ...each.inputs.slice(1)] }
    if (!stored) {
      if (dtype === 'float32') return [each]
      const to = dtype === 'float16' ? FLOAT16 : BFLOAT16
      return [
        node('Cast', [input], [`${id}.half`], { to: int(to) }),
        node('Cast', [`${id}.half`], [`${id}.y`], { to: int(FLOAT) }),
        changed,
      ]
    }
    const cols = shape.at(-1) ?? 0
    const block = ggmlTypes[stored.type as GgmlType].blockSize
    for (const made of [whole(`${id}.blocks`, [-1, cols / block, block]), whole(`${id}.rows`, [-1, cols])])
      initializers.set(made.name, made)
    const half = block === 32 // blocks of 32 keep their scale as float16, blocks of 256 as float32
    return [
      node('Reshape', [input, `${id}.blocks`], [`${id}.x`]),
      node('Abs', [`${id}.x`], [`${id}.abs`]),
      node('ReduceMax', [`${id}.abs`, 'round.last'], [`${id}.max`], { keepdims: int(1) }),
      node('Max', [`${id}.max`, 'round.tiny'], [`${id}.safe`]),
      node('Div', ['round.top', `${id}.safe`], [`${id}.inverse`]),
      node('Mul', [`${id}.x`, `${id}.inverse`], [`${id}.scaled`]),
      node('Round', [`${id}.scaled`], [`${id}.codes`]),
      node('Div', [`${id}.max`, 'round.top'], [`${id}.exact`]),
      ...(half ? [node('Cast', [`${id}.exact`], [`${id}.half`], { to: int(FLOAT16) })] : []),
      node(half ? 'Cast' : 'Identity', [half ? `${id}.half` : `${id}.exact`], [`${id}.scale`], half ? { to: int(FLOAT) } : {}), // prettier-ignore
      node('Mul', [`${id}.codes`, `${id}.scale`], [`${id}.rounded`]),
      node('Reshape', [`${id}.rounded`, `${id}.rows`], [`${id}.y`]),
      changed,
    ]
  })
  const rounded: Graph = { ...graph, nodes, initializers }
  return { ...network, graph: rounded }
}
