// Normalisations over the last axis, as one operator or written out in plain ones (exporters do that, and our own graphs).
//   rms    x / sqrt(mean(x^2) + eps) * gain              layer   (x - mean) / sqrt(variance + eps) * gain + shift
import { attributeInt, attributeInts, type Node } from '../graph/ir.ts'
import { integersOf } from '../graph/constants.ts'
import { isVector, type Wiring } from './linears.ts'

export interface Norm {
  kind: 'rms' | 'layer'
  input: string
  output: string
  size: number | null // null where it has neither gain nor shift
  /** What it multiplies with is this initializer plus a number (Gemma stores w - 1). */
  gain: { tensor: string; plus: number } | null
  shift: string | null
  nodes: ReadonlySet<Node>
}

const layerOps = new Set(['LayerNormalization'])
const rmsOps = new Set(['RMSNormalization', 'SimplifiedLayerNormalization'])

export function findNorms(wiring: Wiring): Norm[] {
  return wiring.graph.nodes.flatMap((node) => {
    const found = single(wiring, node) ?? writtenOut(wiring, node)
    return found ? [found] : []
  })
}

function single({ graph }: Wiring, node: Node): Norm | null {
  const layer = layerOps.has(node.op)
  if ((!layer && !rmsOps.has(node.op)) || attributeInt(node, 'axis', -1) !== -1) return null
  const [input = '', gain = '', shift = ''] = node.inputs
  const size = graph.initializers.get(gain)?.shape.at(-1)
  if (size === undefined || node.outputs.slice(1).some((name) => name !== '')) return null
  return {
    kind: layer ? 'layer' : 'rms',
    input,
    output: node.outputs[0] ?? '',
    size,
    gain: { tensor: gain, plus: 0 },
    shift: shift === '' ? null : shift,
    nodes: new Set([node]),
  }
}

/** From its mean of squares on. */
function writtenOut(wiring: Wiring, mean: Node): Norm | null {
  const { makers } = wiring
  if (!averagesLast(wiring, mean)) return null
  const square = makers.get(mean.inputs[0] ?? '')
  const value = square && squared(wiring, square)
  if (!square || value === null || value === undefined) return null
  const variance = only(wiring, mean, 'Add')
  const root = variance && only(wiring, variance, 'Sqrt')
  if (!root) return null
  const nodes = new Set([square, mean, variance, root])
  const centred = makers.get(value)
  const average = centred?.op === 'Sub' ? makers.get(centred.inputs[1] ?? '') : undefined
  const layer = centred && average && averagesLast(wiring, average) && average.inputs[0] === centred.inputs[0]
  if (layer) nodes.add(centred).add(average)
  const unit = divided(wiring, root, value, nodes)
  if (!unit) return null
  const input = layer ? (centred.inputs[0] ?? '') : value
  return withGain(wiring, { kind: layer ? 'layer' : 'rms', input, unit, nodes })
}

const readersOf = ({ readers, outputs }: Wiring, value: string) =>
  outputs.has(value) ? [] : (readers.get(value) ?? [])

/** The only reader of a node's result, where it is this operator. */
function only(wiring: Wiring, { outputs: [value = ''] }: Node, op: string): Node | null {
  const [next, ...others] = readersOf(wiring, value)
  return next?.op === op && others.length === 0 ? next : null
}

function averagesLast({ graph }: Wiring, node: Node): boolean {
  if (node.op !== 'ReduceMean' || attributeInt(node, 'keepdims', 1) !== 1) return false
  const axes = attributeInts(node, 'axes') ?? integersOf(graph, node.inputs[1] ?? '')
  return axes?.length === 1 && axes[0] === -1
}

/** What a node squares. */
function squared(wiring: Wiring, { op, inputs: [a = '', b = ''] }: Node): string | null {
  if (op === 'Mul') return a === b ? a : null
  return op === 'Pow' && numberOf(wiring, b) === 2 ? a : null
}

/** A constant of one element: initializer or Constant node. */
export function numberOf({ graph, makers }: Wiring, name: string): number | null {
  const maker = makers.get(name)
  const value = maker?.op === 'Constant' ? maker.attributes.get('value') : undefined
  const tensor = graph.initializers.get(name) ?? (value?.kind === 'tensor' ? value.value : undefined)
  if (!tensor || !('inline' in tensor.data) || tensor.shape.some((size) => size !== 1)) return null
  const bytes = tensor.data.inline.slice()
  if (tensor.dtype === 'float32') return new Float32Array(bytes.buffer)[0] ?? null
  if (tensor.dtype === 'float64') return new Float64Array(bytes.buffer)[0] ?? null
  return tensor.dtype === 'int64' ? Number(new BigInt64Array(bytes.buffer)[0]) : null
}

/** The node that gives value / root, as Div, or Mul with 1 / root. */
function divided(wiring: Wiring, root: Node, value: string, nodes: Set<Node>): Node | null {
  const [next, ...others] = readersOf(wiring, root.outputs[0] ?? '')
  if (!next || others.length > 0) return null
  nodes.add(next)
  if (next.op === 'Div' && next.inputs[0] === value) return next
  const inverse = next.op === 'Reciprocal' || (next.op === 'Div' && numberOf(wiring, next.inputs[0] ?? '') === 1)
  const product = inverse ? only(wiring, next, 'Mul') : null
  if (!product?.inputs.includes(value)) return null
  nodes.add(product)
  return product
}

interface Started {
  kind: Norm['kind']
  input: string
  unit: Node
  nodes: Set<Node>
}

function withGain(wiring: Wiring, { kind, input, unit, nodes }: Started): Norm {
  const { graph } = wiring
  let last = unit
  let gain: Norm['gain'] = null
  let shift: string | null = null
  const other = (node: Node) => node.inputs.find((name) => name !== last.outputs[0]) ?? ''
  const product = only(wiring, last, 'Mul')
  const found = product && gainOf(wiring, other(product))
  if (found) {
    gain = found
    last = product
    nodes.add(product)
  }
  const size = sizeOf(wiring, gain?.tensor)
  const sum = only(wiring, last, 'Add')
  if (kind === 'layer' && sum && size !== null && isVector(graph, other(sum), size)) {
    shift = other(sum)
    last = sum
    nodes.add(sum)
  }
  return { kind, input, output: last.outputs[0] ?? '', size, gain, shift, nodes }
}

const sizeOf = ({ graph }: Wiring, name: string | undefined) => graph.initializers.get(name ?? '')?.shape.at(-1) ?? null

function gainOf(wiring: Wiring, name: string): Norm['gain'] {
  const { graph, makers } = wiring
  const isGain = (tensor: string) => {
    const size = sizeOf(wiring, tensor)
    return size !== null && size > 1 && isVector(graph, tensor, size)
  }
  if (isGain(name)) return { tensor: name, plus: 0 }
  const sum = makers.get(name)
  if (sum?.op !== 'Add') return null
  const [a = '', b = ''] = sum.inputs
  const [tensor, number] = isGain(a) ? [a, b] : [b, a]
  const plus = numberOf(wiring, number)
  return plus !== null && isGain(tensor) ? { tensor, plus } : null
}
