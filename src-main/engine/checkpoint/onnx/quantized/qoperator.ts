// Operators that compute on integers, written as the float operator between DequantizeLinear and QuantizeLinear: the
// same function up to rounding, with the weight in sight.
//   ONNX operator specification, QLinearConv-10, QLinearMatMul-10/21, ConvInteger-10, MatMulInteger-10, DynamicQuantizeLinear-11
import { int, node as makeNode, type Node } from '../../../graph/ir.ts'
import type { Rewrite } from './rewrite.ts'
import { isFloat } from './value.ts'

/** DequantizeLinear of a value with its scale and zero point ('' where it has none). */
function dequantize(
  rewrite: Rewrite,
  nodes: Node[],
  parts: [string, string, string],
  axis: number | null,
  wish: string,
) {
  const [value, scale, zero] = parts
  const output = rewrite.fresh(wish)
  const inputs = zero === '' ? [value, scale] : [value, scale, zero]
  // A scale of one entry needs no axis, and before opset 13 there is none.
  const perSlice = axis !== null && (rewrite.header(scale)?.shape.reduce((a, b) => a * b, 1) ?? 1) > 1
  nodes.push(makeNode('DequantizeLinear', inputs, [output], perSlice ? { axis: int(axis) } : {}))
  return output
}

const requantize = (inputs: string[], node: Node): Node =>
  makeNode(
    'QuantizeLinear',
    inputs.filter((name) => name !== ''),
    [...node.outputs],
    {},
    {
      name: `${node.name || node.outputs[0]}_quantize`,
    },
  )

const isConstant = (rewrite: Rewrite, ...names: string[]) =>
  names.every((name) => name === '' || rewrite.constant(name) !== undefined)

function convolution(rewrite: Rewrite, node: Node): Node[] | null {
  const [x = '', xs = '', xz = '', w = '', ws = '', wz = '', ys = '', yz = '', bias = ''] = node.inputs
  if (!isConstant(rewrite, xs, w, ws, wz, bias)) return null
  const nodes: Node[] = []
  const input = dequantize(rewrite, nodes, [x, xs, xz], null, `${x}_float`)
  const weight = dequantize(rewrite, nodes, [w, ws, wz], 0, `${w}_float`)
  const inputs = [input, weight]
  if (bias !== '') {
    const scale = rewrite.fresh(`${bias}_scale`)
    nodes.push(makeNode('Mul', [ws, xs], [scale]))
    const output = rewrite.fresh(`${bias}_float`)
    nodes.push(makeNode('DequantizeLinear', [bias, scale], [output], { axis: int(0) }))
    inputs.push(output)
  }
  const result = rewrite.fresh(`${node.outputs[0]}_float`)
  nodes.push({ ...makeNode('Conv', inputs, [result], {}, { name: node.name }), attributes: node.attributes })
  nodes.push(requantize([result, ys, yz], node))
  return nodes
}

function product(rewrite: Rewrite, node: Node): Node[] | null {
  const [a = '', as = '', az = '', b = '', bs = '', bz = '', ys = '', yz = ''] = node.inputs
  if (!isConstant(rewrite, b, bs, bz)) return null
  const nodes: Node[] = []
  const left = dequantize(rewrite, nodes, [a, as, az], null, `${a}_float`)
  const right = dequantize(rewrite, nodes, [b, bs, bz], (rewrite.header(b)?.shape.length ?? 2) - 1, `${b}_float`)
  const result = rewrite.fresh(`${node.outputs[0]}_float`)
  nodes.push(makeNode('MatMul', [left, right], [result], {}, { name: node.name }))
  nodes.push(requantize([result, ys, yz], node))
  return nodes
}

/** Integer product, Cast to float and Mul by both scales, as dynamic quantization leaves them: one float product of
 *  the dequantized input. */
function dynamic(rewrite: Rewrite, node: Node, readersOf: (name: string) => Node[]): Node[] | null {
  const [a = '', b = '', az = '', bz = ''] = node.inputs
  const only = (name: string | undefined, op: string): Node | null => {
    const readers = name === undefined ? [] : readersOf(name)
    return readers.length === 1 && readers[0]?.op === op ? readers[0] : null
  }
  const cast = only(node.outputs[0], 'Cast')
  const scaled = only(cast?.outputs[0], 'Mul')
  const maker = rewrite.graph.nodes.find(({ outputs, op }) => op === 'DynamicQuantizeLinear' && outputs[0] === a)
  if (!cast || !scaled || !maker || !isConstant(rewrite, b, bz)) return null
  const factor = scaled.inputs.find((name) => name !== cast.outputs[0]) ?? ''
  const both = rewrite.graph.nodes.find(({ outputs, op }) => op === 'Mul' && outputs[0] === factor)
  const inputScale = maker.outputs[1] ?? ''
  const weightScale = both?.inputs.find((name) => name !== inputScale) ?? ''
  const scale = rewrite.constant(weightScale)
  if (!both?.inputs.includes(inputScale) || !scale || !isFloat(scale.dtype)) return null
  const nodes: Node[] = []
  const left = dequantize(rewrite, nodes, [a, inputScale, az], null, `${a}_float`)
  const axis = node.op === 'ConvInteger' ? 0 : (rewrite.header(b)?.shape.length ?? 2) - 1
  const right = dequantize(rewrite, nodes, [b, weightScale, bz], axis, `${b}_float`)
  const operator = makeNode(
    node.op === 'ConvInteger' ? 'Conv' : 'MatMul',
    [left, right],
    [...scaled.outputs],
    {},
    {
      name: node.name,
    },
  )
  for (const each of [cast, scaled, both]) rewrite.release(each)
  return [...nodes, { ...operator, attributes: node.op === 'ConvInteger' ? node.attributes : new Map() }]
}

/** Rewrites what it can; the rest is carried untouched. Returns how many nodes it rewrote. */
export function rewriteIntegerOperators(rewrite: Rewrite): number {
  const { graph } = rewrite
  const readers = new Map<string, Node[]>()
  for (const node of graph.nodes)
    for (const name of node.inputs) readers.set(name, [...(readers.get(name) ?? []), node])
  const readersOf = (name: string) => readers.get(name) ?? []
  const replaced = new Map<Node, Node[]>()
  for (const node of graph.nodes) {
    if (node.domain !== '') continue
    const nodes =
      node.op === 'QLinearConv'
        ? convolution(rewrite, node)
        : node.op === 'QLinearMatMul'
          ? product(rewrite, node)
          : node.op === 'MatMulInteger' || node.op === 'ConvInteger'
            ? dynamic(rewrite, node, readersOf)
            : null
    if (nodes) replaced.set(node, nodes)
  }
  // The scale of a dynamically quantized input may be multiplied after the product in the file: results keep their names,
  // so the new nodes stand where the last of the old ones stood.
  const moved = new Map<Node, Node[]>()
  for (const [node, nodes] of replaced) {
    const makes = new Set(nodes.flatMap(({ outputs }) => outputs))
    const last = graph.nodes.findLast((each) => each.outputs.some((name) => makes.has(name))) ?? node
    moved.set(last, nodes)
    rewrite.release(node)
  }
  const gone = new Set(replaced.keys())
  graph.nodes = graph.nodes.flatMap((node) => moved.get(node) ?? (gone.has(node) ? [] : [node]))
  return replaced.size
}
