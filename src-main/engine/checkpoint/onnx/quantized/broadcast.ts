// Index arithmetic of row-major tensors: broadcasting, permuting, picking along an axis.
import { emptyOf, product, type Value } from './value.ts'

/** Elements to skip per step along each axis. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length)
  for (let axis = shape.length - 1, step = 1; axis >= 0; axis--) {
    strides[axis] = step
    step *= shape[axis] as number
  }
  return strides
}

/** Shape of two operands together (ONNX multidirectional broadcasting); null where they do not fit. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] | null {
  const rank = Math.max(a.length, b.length)
  const shape: number[] = []
  for (let axis = 0; axis < rank; axis++) {
    const x = a[axis - rank + a.length] ?? 1
    const y = b[axis - rank + b.length] ?? 1
    if (x !== y && x !== 1 && y !== 1) return null
    shape.push(x === 1 ? y : x)
  }
  return shape
}

/** Strides with which `value` is walked in `shape`: 0 along axes it is repeated on. */
const spread = (value: Value, shape: readonly number[]): number[] => {
  const own = stridesOf(value.shape)
  return shape.map((_, axis) => {
    const at = axis - shape.length + value.shape.length
    return at < 0 || value.shape[at] === 1 ? 0 : (own[at] as number)
  })
}

/** Visits every element of `shape` in order with the operand's offset for it, a run along the last axis at a time. */
export function walk(
  shape: readonly number[],
  strides: readonly number[][],
  visit: (at: number, length: number, offsets: readonly number[]) => void,
): void {
  const length = shape.at(-1) ?? 1
  const outer = shape.slice(0, -1)
  const index = outer.map(() => 0)
  const offsets = strides.map(() => 0)
  for (let run = 0, runs = product(outer); run < runs && length > 0; run++) {
    visit(run * length, length, offsets)
    for (let axis = outer.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] as number) + 1
      const wraps = index[axis] === outer[axis]
      strides.forEach((stride, i) => {
        offsets[i] = (offsets[i] as number) + (stride[axis] as number) * (wraps ? 1 - (outer[axis] as number) : 1)
      })
      if (!wraps) break
      index[axis] = 0
    }
  }
}

/** Element by element over two operands that broadcast to `shape`. */
export function combine(
  a: Value,
  b: Value,
  shape: readonly number[],
  dtype: Value['dtype'],
  f: (x: number, y: number) => number,
): Value {
  const data = emptyOf(dtype, product(shape))
  const strides = [spread(a, shape), spread(b, shape)]
  const last = strides.map((stride) => stride.at(-1) ?? 0)
  const [stepA = 0, stepB = 0] = last
  walk(shape, strides, (at, length, [fromA = 0, fromB = 0]) => {
    for (let i = 0; i < length; i++)
      data[at + i] = f(a.data[fromA + i * stepA] as number, b.data[fromB + i * stepB] as number)
  })
  return { dtype, shape: [...shape], data }
}

/** The elements that `strides` (into `value`) and `base` name, as a tensor of `shape`. */
export function gatherStrided(value: Value, shape: readonly number[], strides: readonly number[], base = 0): Value {
  const data = emptyOf(value.dtype, product(shape))
  const step = strides.at(-1) ?? 0
  walk(shape, [[...strides]], (at, length, [from = 0]) => {
    for (let i = 0; i < length; i++) data[at + i] = value.data[base + from + i * step] as number
  })
  return { dtype: value.dtype, shape: [...shape], data }
}
