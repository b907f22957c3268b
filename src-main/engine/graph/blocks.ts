// From cuts to blocks: what people call a block is a residual unit, a transformer layer, a fire module. Pieces between
// cuts are joined where their names share a numbered module, an attention with the feed-forward part behind it, a
// depthwise convolution with the pointwise one behind it. Stem and head stay outside.
import type { Role } from '../../../src-preload/contract/model.ts'
import type { Block } from '../checkpoint/network.ts'
import type { Piece } from './flow.ts'
import type { PlacedLayer } from './layers.ts'
import { blockOf, pathOfNode } from './names.ts'

interface Part {
  piece: Piece
  layers: PlacedLayer[]
  main: PlacedLayer[] // matrices and kernels, not norms and biases
  key: string // numbered module, '' for none
}
interface Group {
  parts: Part[]
  key: string
}

const activations = new Set(
  (
    'Relu LeakyRelu PRelu Elu Selu Celu Gelu HardSwish HardSigmoid Mish Swish Sigmoid Tanh Softplus Clip Erf Mul Identity Cast Dropout ' +
    'MaxPool AveragePool LRN BatchNormalization'
  ).split(' '),
)

const aside = new Set<Role>(['norm', 'bias', 'other'])

/** Sets `layer.block` of the layers inside and returns the blocks. */
export function findBlocks(pieces: readonly Piece[], placed: readonly PlacedLayer[]): Block[] {
  const parts = makeParts(pieces, placed)
  if (parts.length < 2) return []
  const groups = group(parts)
  const real = groups.filter((each) => isBlock(each))
  // Without any joined block the network is a chain: each of its layers is a block, except embedding and head.
  const chosen = real.length > 0 ? trim(groups) : groups.filter((each) => !isEdge(each))
  const [only] = chosen
  if (chosen.length === 1 && only?.parts[0]?.piece.inputs.length === 0) return [] // the whole network is no block
  return chosen.map((each, index) => {
    const layers = each.parts.flatMap((part) => part.layers.map((found) => found.layer))
    for (const layer of layers) layer.block = index
    return {
      index,
      name: nameOf(each),
      layers: layers.map((layer) => layer.name),
      inputs: each.parts[0]?.piece.inputs ?? [],
    }
  })
}

function makeParts(pieces: readonly Piece[], placed: readonly PlacedLayer[]): Part[] {
  const partAt = new Map<number, Part>()
  const parts = pieces.map((piece): Part => {
    const part: Part = { piece, layers: [], main: [], key: '' }
    for (const { position } of piece.nodes) partAt.set(position, part)
    return part
  })
  for (const each of placed) {
    const part = each.position === null ? undefined : partAt.get(each.position)
    part?.layers.push(each)
    if (!aside.has(each.layer.role)) part?.main.push(each)
  }
  for (const part of parts) {
    const named = (part.main.length > 0 ? part.main : part.layers).map((each) => each.path)
    const paths =
      named.length > 0
        ? named
        : part.piece.nodes.map(({ node }) => [...pathOfNode(node.name, node.outputs[0] ?? '', node.op), node.op])
    part.key = sharedKey(paths)
  }
  return parts
}

/** Numbered module that all paths lie in. */
function sharedKey(paths: readonly string[][]): string {
  const [first = [], ...others] = paths
  const length = others.reduce((shared, path) => {
    const differs = path.findIndex((part, i) => part !== first[i])
    return Math.min(shared, differs < 0 ? path.length : differs)
  }, first.length)
  // One layer alone: its own name is not the module it lies in.
  return blockOf(others.length === 0 ? first : [...first.slice(0, length), ''])
}

function group(parts: readonly Part[]): Group[] {
  const groups: Group[] = []
  let pending: Part[] = [] // between the last block and whatever they will belong to
  for (const part of parts) {
    const current = groups.at(-1)
    if (current && part.key !== '' && part.key === current.key) {
      current.parts.push(...pending, part)
      pending = []
    } else if (part.main.length > 0) {
      if (current && pending.length === 0 && completes(current, part)) current.parts.push(part)
      else groups.push({ parts: [...leading(pending, part), part], key: part.key })
      pending = []
    } else if (current && pending.length === 0 && part.piece.nodes.every(({ node }) => activations.has(node.op))) {
      current.parts.push(part)
    } else if (groups.length > 0 || part.layers.length > 0) pending.push(part)
  }
  return groups
}

/** What stands before a numbered block belongs to it only from the first piece on that has its number. */
function leading(pending: readonly Part[], part: Part): Part[] {
  if (part.key === '') return [...pending]
  const own = pending.findIndex((each) => each.key === part.key)
  return own < 0 ? [] : pending.slice(own)
}

const hasAttention = (part: Part) => part.main.length > 1 && part.piece.nodes.some(({ node }) => node.op === 'Softmax')

/** Whether a piece without a name of its own is the second half of a block. */
function completes(current: Group, part: Part): boolean {
  if (part.key !== '' || current.key !== '') return false
  const layers = current.parts.flatMap((each) => each.main)
  if (layers.length === 1 && layers[0]?.layer.role === 'depthwise') return true
  const own = current.parts.filter((each) => each.main.length > 0)
  return own.length === 1 && own.every(hasAttention) && !hasAttention(part) && part.main.length > 1
}

const mainOf = (each: Group) => each.parts.flatMap((part) => part.main)
const isBlock = (each: Group) => mainOf(each).length > 1
const isEdge = (each: Group) => mainOf(each).every(({ layer }) => layer.role === 'embed' || layer.role === 'head')

/** Leaves out what lies before the first and after the last joined block, unless it is numbered like them. */
function trim(groups: readonly Group[]): Group[] {
  const belongs = (each: Group) => !isEdge(each) && (isBlock(each) || each.key !== '')
  const first = groups.findIndex(belongs)
  const last = groups.findLastIndex(belongs)
  return groups.slice(first, last + 1).filter((each) => !isEdge(each))
}

function nameOf(each: Group): string {
  if (each.key !== '') return each.key
  const [first] = mainOf(each)
  return first ? first.path.join('.') || first.layer.name : ''
}
