// Tensors computed from those of another source when they are read: scaled, turned, shifted along an axis.
import type { DerivedTensor } from '../checkpoint/derived.ts'
import type { TensorInfo } from '../checkpoint/network.ts'
import { contractAxis, scaleAxis } from '../kernels/hadamard.ts'
import type { Orthogonal } from './orthogonal.ts'

/** A tensor as [outer, size, inner]; what is done to it is done along the middle. */
export interface Axis {
  outer: number
  size: number
  inner: number
}

export const axisOf = (shape: readonly number[], axis: number): Axis => {
  const product = (sizes: readonly number[]) => sizes.reduce((all, size) => all * size, 1)
  return { outer: product(shape.slice(0, axis)), size: shape[axis] ?? 1, inner: product(shape.slice(axis + 1)) }
}

export type Step =
  | { kind: 'scale'; axis: Axis; factors: () => Float32Array } // [axis.size]
  | { kind: 'add'; values: () => Float32Array } // as many as the tensor has, or one for all
  | { kind: 'turn'; axis: Axis; begin: number; end: number; by: Orthogonal } // elements [begin, end) of the axis, in blocks of by.size
  | { kind: 'fill'; value: number }

/** Elements [begin, end) of a tensor as float32, row-major. */
export type ReadElements = (begin: number, end: number) => Float32Array

const isLocal = (step: Step) => step.kind !== 'turn' || step.axis.inner === 1

/** Results of whole-tensor computations, the latest few. One for all tensors of a network. */
export class Kept {
  readonly #limitBytes: number
  readonly #entries = new Map<string, Float32Array>() // oldest first

  constructor(limitBytes = 256 << 20) {
    this.#limitBytes = limitBytes
  }

  get(name: string, make: () => Float32Array): Float32Array {
    const made = this.#entries.get(name) ?? make()
    this.#entries.delete(name)
    this.#entries.set(name, made)
    let total = [...this.#entries.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
    for (const [oldest, { byteLength }] of this.#entries) {
      if (total <= this.#limitBytes || oldest === name) break
      this.#entries.delete(oldest)
      total -= byteLength
    }
    return made
  }
}

/** `info` under these steps. A range costs the rows that hold it, unless a step mixes rows: then the whole, once. */
export function computedTensor(
  info: TensorInfo,
  read: ReadElements,
  steps: readonly Step[],
  kept: Kept,
): DerivedTensor {
  const count = info.shape.reduce((product, size) => product * size, 1)
  const row = info.shape.at(-1) ?? 1
  const whole = () => {
    const data = read(0, count)
    for (const step of steps) apply(step, data, 0)
    return data
  }
  return {
    info,
    decode(begin, end) {
      if (begin === end) return new Float32Array(0)
      if (!steps.every(isLocal)) return kept.get(info.name, whole).slice(begin, end)
      const [from, to] = [Math.floor(begin / row) * row, Math.ceil(end / row) * row]
      const data = read(from, to)
      for (const step of steps) apply(step, data, from)
      return data.subarray(begin - from, end - from)
    },
  }
}

/** Changes whole rows of a tensor, of which `data` begins at element `from`. */
function apply(step: Step, data: Float32Array, from: number): void {
  switch (step.kind) {
    case 'fill':
      data.fill(step.value)
      return
    case 'add': {
      const values = step.values()
      const [only = 0] = values
      if (values.length === 1) for (let i = 0; i < data.length; i++) data[i] = (data[i] as number) + only
      else for (let i = 0; i < data.length; i++) data[i] = (data[i] as number) + (values[from + i] as number)
      return
    }
    case 'scale':
      scaleRows(data, from, step.axis, step.factors())
      return
    case 'turn': {
      const { axis, begin, end, by } = step
      const { size, inner } = axis
      if (begin === 0 && end === size) by.apply(data, inner)
      else
        for (let at = 0; at < data.length; at += size * inner)
          by.apply(data.subarray(at + begin * inner, at + end * inner), inner)
    }
  }
}

function scaleRows(data: Float32Array, from: number, { size, inner }: Axis, factors: Float32Array): void {
  if (from % (size * inner) === 0 && data.length % (size * inner) === 0) {
    scaleAxis(data, factors, inner)
    return
  }
  // Rows from the middle of the axis: each has one factor.
  const index = (at: number) => Math.floor((from + at) / inner) % size
  for (let at = 0; at < data.length;) {
    const end = Math.min(data.length, at + inner - ((from + at) % inner))
    scaleAxis(data.subarray(at, end), factors.subarray(index(at), index(at) + 1), end - at)
    at = end
  }
}

/** Sums along an axis of a tensor, each element times the factor of its place: the product of a matrix with a vector.
 *  Reads some rows at a time. [axis.outer, axis.inner]. */
export function contractTensor(read: ReadElements, { outer, size, inner }: Axis, factors: Float32Array): Float32Array {
  const out = new Float32Array(outer * inner)
  const each = Math.max(1, Math.floor((1 << 22) / (size * inner)))
  for (let begin = 0; begin < outer; begin += each) {
    const end = Math.min(outer, begin + each)
    out.set(contractAxis(read(begin * size * inner, end * size * inner), factors, inner), begin * inner)
  }
  return out
}
