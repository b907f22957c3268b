// Calibrated roundings of activations (engine/activate/int-tensor.ts) as QuantizeLinear and DequantizeLinear:
//
//   Div(x, s) -> Round -> Clip(lo, hi) -> Mul(s)     with hi - lo = 255, s one constant    ->    Q(x, s, -lo) -> DQ
//
// ONNX Runtime makes integer products of these with weights behind DequantizeLinear of their own. Only files hold them: in a
// session of float weights it would round those to 8 bits as well, unasked, and an evaluation would judge other weights.
import { float32Tensor } from '../../graph/constants.ts'
import type { Graph, Initializer, Node } from '../../graph/ir.ts'
import { node } from '../../graph/ir.ts'
import { allNames, freshName } from '../../graph/scope.ts'
import { usesOf } from './uses.ts'

interface Found {
  nodes: Node[] // Div, Round, Clip, Mul
  scale: number
  lowest: number
}

/** The graph with such chains replaced; itself where it has none. */
export function asQuantizeLinear(graph: Graph): Graph {
  const uses = usesOf(graph)
  const next = (of: Node, op: string): Node | null => {
    const found = uses.get(of.outputs[0] ?? '')
    const [only] = found?.nodes ?? []
    return found?.nodes.length === 1 && !found.elsewhere && only?.op === op ? only : null
  }
  const scalar = (name = ''): number | null => scalarOf(graph.initializers.get(name))
  const chains = graph.nodes.flatMap((div): Found[] => {
    const scale = div.op === 'Div' ? scalar(div.inputs[1]) : null
    const round = scale === null ? null : next(div, 'Round')
    const clip = round && next(round, 'Clip')
    const mul = clip && next(clip, 'Mul')
    if (scale === null || !round || !mul || mul.inputs[1] !== div.inputs[1]) return []
    const [lowest, highest] = [scalar(clip.inputs[1]), scalar(clip.inputs[2])]
    if (lowest === null || highest === null || highest - lowest !== 255) return []
    return [{ nodes: [div, round, clip, mul], scale, lowest }]
  })
  if (chains.length === 0) return graph
  const taken = allNames(graph)
  const initializers = new Map(graph.initializers)
  const shared = new Map<string, string>()
  const constant = (key: string, make: (name: string) => Initializer): string => {
    const name = shared.get(key) ?? freshName(taken, `Q${shared.size.toString(36)}`)
    shared.set(key, name)
    initializers.set(name, make(name))
    return name
  }
  const replaced = new Map<Node, Node[]>()
  for (const { nodes, scale, lowest } of chains) {
    const [div, round, clip, mul] = nodes
    // An affine grid whose zero is code 128 has the same bounds as a symmetric one: either type says the same.
    const dtype = lowest === -128 ? 'int8' : 'uint8'
    const zero = dtype === 'int8' ? 0 : -lowest
    const pair = [
      constant(`s${scale}`, (name) => float32Tensor(name, [scale], [])),
      constant(`${dtype}${zero}`, (name) => ({ name, dtype, shape: [], data: { inline: Uint8Array.of(zero) } })),
    ]
    const codes = div?.outputs[0] ?? ''
    if (!div || !round || !clip || !mul) continue
    replaced.set(div, [node('QuantizeLinear', [div.inputs[0] ?? '', ...pair], [codes], {}, { name: '' })])
    for (const gone of [round, clip]) replaced.set(gone, [])
    replaced.set(mul, [node('DequantizeLinear', [codes, ...pair], mul.outputs, {}, { name: '' })])
  }
  const nodes = graph.nodes.flatMap((each) => replaced.get(each) ?? [each])
  const read = new Set([...nodes.flatMap(({ inputs }) => inputs), ...graph.outputs.map(({ name }) => name)])
  for (const name of graph.initializers.keys()) {
    // What only the chains read is gone with them; captured names of subgraphs stay.
    const use = uses.get(name)
    if (use && !use.elsewhere && !read.has(name)) initializers.delete(name)
  }
  return { ...graph, nodes, initializers }
}

function scalarOf(initializer: Initializer | undefined): number | null {
  if (initializer?.dtype !== 'float32' || initializer.shape.length > 0 || !('inline' in initializer.data)) return null
  return new Float32Array(initializer.data.inline.slice().buffer)[0] ?? null
}
