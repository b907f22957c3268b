// Seams between keys and queries: scores are sums of q_c k_c, so a factor for each channel of a head can move from the keys
// to the queries. Rotary positions turn pairs of channels (i, i + half): the two of a pair must share their factor, which
// the rotation then leaves alone (Baek et al. 2025, "FireQ", on scaling before RoPE). All query heads that share a key head
// take its factors. Where keys are normalised per head, the gains of both norms take them.
import { attributeInt, type Node } from '../graph/ir.ts'
import { integersOf } from '../graph/constants.ts'
import { move, type Places } from './features.ts'
import type { Linear, Wiring } from './linears.ts'
import { findNorms, type Norm } from './norms.ts'
import { outputsOf, type Seam, side, type Side, usedOnce } from './seams.ts'

export interface KeySeam extends Seam {
  /** Channel that must have the same factor, itself where it is free. [channels] */
  partner: Int32Array
}

export function findKeySeams(wiring: Wiring): KeySeam[] {
  const norms = new Map(findNorms(wiring).flatMap((norm) => [...norm.nodes].map((node) => [node, norm] as const)))
  return wiring.graph.nodes
    .flatMap((node) => (isScores(wiring, node) ? (seamAt(wiring, node, norms) ?? []) : []))
    .filter((seam) => usedOnce(wiring, seam))
}

/** Whether a product is made into weights of attention. */
function isScores({ readers }: Wiring, node: Node): boolean {
  if (node.op !== 'MatMul') return false
  let [name = ''] = node.outputs
  for (let steps = 0; steps < 12; steps++) {
    const [next, ...others] = readers.get(name) ?? []
    if (!next || others.some(({ op }) => op !== 'Shape')) return false
    if (next.op === 'Softmax') return true
    if (!/^(Reshape|Add|Mul|Div|Tanh|Where|Cast)$/.test(next.op)) return false
    name = next.outputs[0] ?? ''
  }
  return false
}

interface Branch {
  linear: Linear
  places: Places // of the linear layer's outputs, [..., heads, tokens, size] or with the last two turned
  half: number // pairs (i, i + half) that turn together; 0: none do
  norm: Norm | null
}

function seamAt(wiring: Wiring, scores: Node, norms: ReadonlyMap<Node, Norm>): KeySeam | null {
  const query = branch(wiring, scores.inputs[0] ?? '', norms)
  const key = branch(wiring, scores.inputs[1] ?? '', norms)
  if (!query || !key || (query.norm === null) !== (key.norm === null) || query.half !== key.half) return null
  const [q, k] = [headsOf(query), headsOf(key)]
  if (!q || !k || q.size !== k.size || q.heads % k.heads !== 0) return null
  const { size } = k
  const partnerOf = (c: number) => (c < key.half ? c + key.half : c < 2 * key.half ? c - key.half : c)
  const seam = (channels: number, writers: Side[], readers: Side[], places: Int32Array | null): KeySeam => ({
    ...{ kind: 'keys', name: `${key.linear.weight}/keys`, axis: 'last', channels, writers, readers },
    value: key.norm?.output ?? key.linear.output,
    ...{ places, norm: null },
    partner: Int32Array.from({ length: channels }, (_, i) => i - (i % size) + partnerOf(i % size)),
  })
  if (query.norm && key.norm) {
    const [from, to] = [key.norm.gain, query.norm.gain]
    if (!from || !to || key.norm.size !== size || query.norm.size !== size) return null
    const gain = ({ tensor, plus }: NonNullable<Norm['gain']>) => side(tensor, 0, null, plus)
    const shifts = ({ shift }: Norm) => (shift === null ? [] : [side(shift, 0)])
    return seam(size, [gain(from), ...shifts(key.norm)], [gain(to), ...shifts(query.norm)], null)
  }
  const group = q.heads / k.heads
  const made = new Int32Array(key.linear.outputs).fill(-1)
  k.rows.forEach((row, channel) => (made[row] = channel))
  const read = new Int32Array(query.linear.outputs).fill(-1)
  q.rows.forEach((row, at) => (read[row] = Math.floor(at / size / group) * size + (at % size)))
  return seam(k.heads * size, outputsOf(wiring, key.linear, made), outputsOf(wiring, query.linear, read), made)
}

/** Rows of the linear layer for each channel of each head. */
function headsOf({ places: { dims, channels } }: Branch): { heads: number; size: number; rows: Int32Array } | null {
  const [heads = 0, size = 0] = dims.slice(-2)
  return channels.length >= heads * size && heads * size > 0
    ? { heads, size, rows: channels.slice(0, heads * size) }
    : null
}

/** From a factor of the scores back to its linear layer. */
function branch(wiring: Wiring, start: string, norms: ReadonlyMap<Node, Norm>): Branch | null {
  let name = start
  let half = 0
  let norm: Norm | null = null
  for (let steps = 0; steps < 16; steps++) {
    const node = wiring.makers.get(name)
    if (!node) return null
    const own = norms.get(node)
    if (own?.output === name) {
      norm = own
      name = own.input
    } else if (node.op === 'Concat') {
      const rotation = rotated(wiring, node)
      if (!rotation || half > 0) return null
      half = rotation.half
      name = rotation.from
    } else if (node.op === 'Mul' && wiring.uses.constants.has(node.inputs[1] ?? '')) name = node.inputs[0] ?? ''
    else if (node.op === 'Transpose') name = node.inputs[0] ?? ''
    else if (node.op === 'Reshape' && !isSplit(wiring, node)) name = node.inputs[0] ?? ''
    else break
  }
  const made = splitPlaces(wiring, name)
  return made && { ...made, half, norm }
}

/** Whether a reshape is the one that makes heads of rows: what it reads is a linear layer, or part of one. */
function isSplit({ makers, linears }: Wiring, node: Node): boolean {
  const maker = makers.get(node.inputs[0] ?? '')
  return maker !== undefined && (linears.has(maker) || maker.op === 'Split')
}

/** [..., heads, size] of a linear layer, cut out of it before or after. */
function splitPlaces(wiring: Wiring, value: string): { linear: Linear; places: Places } | null {
  const nodes: { node: Node; output: string }[] = []
  let name = value
  for (;;) {
    const node = wiring.makers.get(name)
    const linear = node && wiring.linears.get(node)
    if (linear) {
      let places: Places | null = { dims: [linear.outputs], channels: Int32Array.from({ length: linear.outputs }, (_, i) => i) } // prettier-ignore
      for (const { node, output } of nodes) places = places && move(wiring, node, places, output)
      return places && { linear, places }
    }
    if (!node || !/^(Reshape|Split|Identity)$/.test(node.op)) return null
    nodes.unshift({ node, output: name })
    name = node.inputs[0] ?? ''
  }
}

/** [a cos - b sin | b cos + a sin | rest], a and b the halves of what turns. */
function rotated(wiring: Wiring, concat: Node): { from: string; half: number } | null {
  const { makers } = wiring
  const [left, right, rest] = concat.inputs.map((name) => makers.get(name))
  if (left?.op !== 'Sub' || right?.op !== 'Add' || concat.inputs.length > 3) return null
  const product = (name = '') => makers.get(name)
  const a = product(left.inputs[0])?.inputs[0] ?? ''
  const halves = makers.get(a)
  const b = product(left.inputs[1])?.inputs[0]
  if (halves?.op !== 'Split' || attributeInt(halves, 'axis', 0) !== -1 || halves.outputs.join() !== `${a},${b}`)
    return null
  if (product(right.inputs[0])?.inputs[0] !== b || product(right.inputs[1])?.inputs[0] !== a) return null
  const whole = halves.inputs[0] ?? ''
  if (rest === undefined) return halfOf(wiring, whole, null)
  const cut = makers.get(whole)
  const sizes = cut?.op === 'Split' && cut === rest ? integersOf(wiring.graph, cut.inputs[1] ?? '') : null
  return sizes ? halfOf(wiring, cut?.inputs[0] ?? '', sizes[0] ?? null) : null
}

/** The size of a head stands in the shape that made it. */
function halfOf(wiring: Wiring, from: string, turning: number | null): { from: string; half: number } | null {
  if (turning !== null) return { from, half: turning / 2 }
  let name = from
  for (let steps = 0; steps < 16; steps++) {
    const node = wiring.makers.get(name)
    if (!node) return null
    if (node.op === 'Reshape') {
      const shape = wiring.makers.get(node.inputs[1] ?? '')
      const last = integersOf(
        wiring.graph,
        shape?.op === 'Concat' ? (shape.inputs.at(-1) ?? '') : (node.inputs[1] ?? ''),
      )
      const size = last?.at(-1) ?? 0
      return size > 1 ? { from, half: size / 2 } : null
    }
    if (node.op === 'Split') {
      const sizes = integersOf(wiring.graph, node.inputs[1] ?? '')
      const size = sizes?.[node.outputs.indexOf(name)] ?? 0
      return size > 1 ? { from, half: size / 2 } : null
    }
    name =
      node.op === 'Add' || node.op === 'Mul' || node.op === 'Div' || node.op === 'Transpose'
        ? (node.inputs[0] ?? '')
        : ''
  }
  return null
}
