// Where the channels of a linear layer go when its result is cut into heads and turned about: the operators on the way are
// done to the channels' numbers themselves, for one text of as few tokens as the graph allows.
import { attributeInt, attributeInts, type Node } from '../graph/ir.ts'
import { integersOf } from '../graph/constants.ts'
import type { Wiring } from './linears.ts'

/** A value whose elements are numbers of channels. Leading dimensions of 1 may be missing. */
export interface Places {
  dims: number[]
  channels: Int32Array
}

const product = (sizes: readonly number[]) => sizes.reduce((all, size) => all * size, 1)

/** What a node makes of the places; null where that is not known. `output`: which of its values is followed. */
export function move(wiring: Wiring, node: Node, places: Places, output: string): Places | null {
  const { graph } = wiring
  switch (node.op) {
    case 'Identity':
    case 'Cast':
    case 'Dropout':
      return places
    case 'Reshape':
      return reshape(places, shapeOf(wiring, node.inputs[1] ?? ''))
    case 'Unsqueeze':
    case 'Squeeze':
      return null
    case 'Transpose': {
      const perm = attributeInts(node, 'perm')
      return perm && transpose(padded(places, perm.length), perm)
    }
    case 'Gather': {
      const index = integersOf(graph, node.inputs[1] ?? '')
      const axis = attributeInt(node, 'axis', 0)
      const size = places.dims[axis]
      if (index?.length !== 1 || size === undefined) return null
      const at = ((index[0] ?? 0) + size) % size
      const { dims, channels } = take(places, axis, at, at + 1)
      return { dims: dims.toSpliced(axis, 1), channels }
    }
    case 'Split': {
      const axis = attributeInt(node, 'axis', 0)
      const last = places.dims.length - 1
      const at = axis < 0 ? last + 1 + axis : axis
      const size = places.dims[at] ?? 0
      const given = attributeInts(node, 'split') ?? integersOf(graph, node.inputs[1] ?? '')
      const sizes = given ?? node.outputs.map(() => size / node.outputs.length)
      // From the front, an axis is only known where no leading dimension is missing.
      if ((axis >= 0 && places.dims.length < 3) || sizes.reduce((a, b) => a + b, 0) !== size) return null
      const which = node.outputs.indexOf(output)
      const begin = sizes.slice(0, which).reduce((a, b) => a + b, 0)
      return take(places, at, begin, begin + (sizes[which] ?? 0))
    }
    default:
      return null
  }
}

/** Numbers of a shape, from the back; null stands for one that is computed (a batch, a time). */
function shapeOf({ graph, makers }: Wiring, shape: string): (number | null)[] {
  const constant = integersOf(graph, shape)
  if (constant) return constant
  const node = makers.get(shape)
  if (node?.op !== 'Concat') return [null]
  return node.inputs.flatMap((name) => integersOf(graph, name) ?? [null])
}

/** Leading sizes that are not known are 1. Where the known ones ask for more elements than there are, the missing tokens
 *  are copies. */
function reshape(places: Places, shape: readonly (number | null)[]): Places | null {
  const known = shape.map((size, axis) => {
    if (size === 0) return axis === 0 ? null : (places.dims[axis] ?? null)
    return size
  })
  const first = known.findIndex((size) => size !== null && size !== -1)
  if (first < 0 || known.slice(first).includes(null)) return null
  const free = known.lastIndexOf(-1)
  const counted = known.map((size) => (size === null || size === -1 ? 1 : size))
  const total = product(counted)
  const count = places.channels.length
  if (free >= first && count % total === 0) {
    counted[free] = count / total
    return { dims: counted, channels: places.channels }
  }
  if (count === total) return { dims: counted, channels: places.channels }
  if (free < first && total % count === 0) return reshape(repeated(places, total / count), shape)
  // A matrix of rows: [-1, n].
  if (count % total === 0) return { dims: [count / total, ...counted.slice(first)], channels: places.channels }
  return null
}

function repeated({ dims, channels }: Places, times: number): Places {
  const all = new Int32Array(channels.length * times)
  for (let i = 0; i < times; i++) all.set(channels, i * channels.length)
  return { dims: [times, ...dims], channels: all }
}

function padded({ dims, channels }: Places, rank: number): Places {
  const squeezed = dims.length > rank ? dims.slice(dims.length - rank) : dims
  return { dims: [...new Array<number>(Math.max(0, rank - squeezed.length)).fill(1), ...squeezed], channels }
}

function transpose({ dims, channels }: Places, perm: readonly number[]): Places | null {
  if (product(dims) !== channels.length) return null
  const strides = dims.map((_, axis) => product(dims.slice(axis + 1)))
  const out = perm.map((axis) => dims[axis] ?? 1)
  const moved = channels.map((_, at) => {
    let from = 0
    let rest = at
    for (let axis = out.length - 1; axis >= 0; axis--) {
      from += (rest % (out[axis] ?? 1)) * (strides[perm[axis] ?? 0] ?? 0)
      rest = Math.floor(rest / (out[axis] ?? 1))
    }
    return channels[from] ?? -1
  })
  return { dims: out, channels: moved }
}

function take({ dims, channels }: Places, axis: number, begin: number, end: number): Places {
  const inner = product(dims.slice(axis + 1))
  const size = dims[axis] ?? 1
  const kept = channels.filter((_, at) => {
    const place = Math.floor(at / inner) % size
    return place >= begin && place < end
  })
  return { dims: dims.with(axis, end - begin), channels: kept }
}
