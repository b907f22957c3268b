import type { QuantizedMatrix } from '../../quantize/types.ts'
import type { StoredMatrix } from './form.ts'
import { firstShortName } from './shorten.ts'
import { dataTypes, int, node, type Attribute, type DataType, type Initializer, type Node } from '../../graph/ir.ts'

/** Bytes of an emitted initializer, made only when the file is written: from the very weight whose form was emitted. */
export type Payload = (q: StoredMatrix) => Uint8Array

/** Nodes and initializers that compute one weight, or that several weights share. */
export interface Piece {
  nodes: Node[]
  initializers: Initializer[]
  payloads: Map<string, Payload> // initializers with `data: { source }`, by name
}

export const emptyPiece = (): Piece => ({ nodes: [], initializers: [], payloads: new Map() })

/** Where emission puts what it makes: one piece per weight, one shared by all, and names nobody else has. */
export interface Scope {
  /** What weights share, by what it is: each piece once in the file. */
  readonly shared: ReadonlyMap<string, Piece>
  fresh(): string
  /** A small constant, one per value in the whole file. */
  constant(dtype: 'int64' | 'uint8' | 'int8' | 'float32', shape: number[], values: readonly number[]): string
  /** What `build` emits into a shared piece of its own under `key`, built once; gives the value's name. */
  once(key: string, build: (piece: Piece) => string): string
}

/** `taken`: every name the graph uses. `names`: how many names will about be needed, so that all get the same length. */
export function createScope(taken: ReadonlySet<string>, names: number): Scope {
  let next = firstShortName(names)
  const shared = new Map<string, Piece>()
  const known = new Map<string, string>()
  const fresh = (): string => {
    for (;;) {
      const name = (next++).toString(36)
      if (!taken.has(name)) return name
    }
  }
  const once = (key: string, build: (piece: Piece) => string): string => {
    const found = known.get(key)
    if (found !== undefined) return found
    const piece = emptyPiece()
    const made = build(piece)
    known.set(key, made)
    shared.set(key, piece) // after what `build` itself asked for: order of computation
    return made
  }
  return {
    shared,
    fresh,
    once,
    constant: (dtype, shape, values) =>
      once(`${dtype}[${shape.join()}]=${values.join()}`, (piece) => {
        const name = fresh()
        piece.initializers.push({ name, dtype, shape, data: { inline: encode(dtype, values) } })
        return name
      }),
  }
}

/** Adds an initializer whose bytes come later. */
export function later<M extends StoredMatrix = QuantizedMatrix>(
  scope: Scope,
  piece: Piece,
  dtype: DataType,
  shape: number[],
  payload: (q: M) => Uint8Array,
): string {
  const name = scope.fresh()
  piece.initializers.push({ name, dtype, shape, data: { source: name } })
  piece.payloads.set(name, payload as Payload)
  return name
}

function encode(dtype: 'int64' | 'uint8' | 'int8' | 'float32', values: readonly number[]): Uint8Array {
  if (dtype === 'uint8' || dtype === 'int8') return Uint8Array.from(values)
  const array = dtype === 'int64' ? BigInt64Array.from(values, BigInt) : Float32Array.from(values)
  return new Uint8Array(array.buffer)
}

/** A node with one output; the value before it is its first input, or comes after those in `before`. */
export interface Link {
  op: string
  before?: string[]
  inputs?: string[]
  attributes?: Record<string, Attribute>
}

/** Nodes one after the other; gives the last value's name, which is `output` where one is asked for. */
export function chain(scope: Scope, piece: Piece, value: string, links: Link[], output?: string): string {
  return links.reduce((from, { op, before = [], inputs = [], attributes = {} }, index) => {
    const to = index === links.length - 1 && output !== undefined ? output : scope.fresh()
    piece.nodes.push(node(op, [...before, from, ...inputs], [to], attributes, { name: '' }))
    return to
  }, value)
}

export const castTo = (dtype: DataType): Link => ({ op: 'Cast', attributes: { to: int(dataTypes.indexOf(dtype)) } })
