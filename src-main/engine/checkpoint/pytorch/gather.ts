// Elements of a strided view in row-major order. Rows that lie in one run are copied as such.
import { isContiguous, widthOf } from './tensor.ts'
import type { PickleTensor } from './values.ts'

/** Bytes [begin, end) of a storage. */
export type ReadStorage = (begin: number, end: number) => Uint8Array

/** Bytes that a view takes of its storage, from its first element to its last. */
export function spanOf({ dtype, offset, shape, strides }: PickleTensor): { begin: number; end: number } {
  const width = widthOf(dtype)
  if (shape.includes(0)) return { begin: offset * width, end: offset * width }
  const last = shape.reduce((sum, length, axis) => sum + (length - 1) * (strides[axis] ?? 0), offset)
  return { begin: offset * width, end: (last + 1) * width }
}

/** The whole view as contiguous bytes. */
export function gather(tensor: PickleTensor, read: ReadStorage): Uint8Array {
  const { shape, strides, dtype } = tensor
  const width = widthOf(dtype)
  const span = spanOf(tensor)
  const source = read(span.begin, span.end)
  if (isContiguous(tensor)) return source
  const out = new Uint8Array(shape.reduce((product, length) => product * length, width))
  const run = trailingRun(shape, strides)
  const runBytes = run.elements * width
  const counters = new Array<number>(run.axis).fill(0)
  let from = 0
  for (let to = 0; to < out.length; to += runBytes) {
    copy(source, from * width, out, to, runBytes)
    for (let axis = run.axis - 1; axis >= 0; axis--) {
      const stride = strides[axis] ?? 0
      const count = (counters[axis] ?? 0) + 1
      from += stride
      if (count < (shape[axis] ?? 0)) {
        counters[axis] = count
        break
      }
      from -= stride * count
      counters[axis] = 0
    }
  }
  return out
}

/** Axes from `axis` on are one run of elements. */
function trailingRun(shape: readonly number[], strides: readonly number[]): { axis: number; elements: number } {
  let elements = 1
  let axis = shape.length
  while (axis > 0 && (shape[axis - 1] === 1 || strides[axis - 1] === elements)) {
    axis--
    elements *= shape[axis] ?? 1
  }
  return { axis, elements }
}

function copy(source: Uint8Array, from: number, out: Uint8Array, to: number, bytes: number): void {
  if (bytes > 16) out.set(source.subarray(from, from + bytes), to)
  else for (let at = 0; at < bytes; at++) out[to + at] = source[from + at] ?? 0
}
