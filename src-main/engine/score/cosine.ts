import type { TensorValue } from '../runtime/types.ts'

/** An activation as vectors: token embeddings along the last axis, or the channels of each position of [N, C, H, W]. */
export interface Vectors {
  count: number
  width: number
  stride: number // between the components of one vector
  start: (index: number) => number
}

export function vectorsOf(dims: readonly number[]): Vectors {
  const size = dims.reduce((product, dim) => product * dim, 1)
  if (dims.length >= 3 && dims.length !== 3) {
    const width = dims[1] ?? 1
    const stride = dims.slice(2).reduce((product, dim) => product * dim, 1)
    const start = (index: number) => Math.floor(index / stride) * width * stride + (index % stride)
    return { count: size / width, width, stride, start }
  }
  const width = dims.at(-1) ?? 1
  return { count: size / width, width, stride: 1, start: (index) => index * width }
}

/** Sum of the cosines between equal vectors of two activations of the same shape, and their number. Vectors of zeros
 *  have no direction and are left out. */
export function sumOfCosines(a: TensorValue, b: TensorValue): { sum: number; count: number } {
  const [x, y] = [a.data, b.data]
  if (!(x instanceof Float32Array) || !(y instanceof Float32Array)) return { sum: 0, count: 0 }
  const { count, width, stride, start } = vectorsOf(a.dims)
  let [sum, used] = [0, 0]
  for (let index = 0; index < count; index++) {
    const from = start(index)
    let [product, xx, yy] = [0, 0, 0]
    for (let i = 0, at = from; i < width; i++, at += stride) {
      const [p, q] = [x[at] ?? 0, y[at] ?? 0]
      product += p * q
      xx += p * p
      yy += q * q
    }
    if (xx === 0 || yy === 0) continue
    sum += product / Math.sqrt(xx * yy)
    used++
  }
  return { sum, count: used }
}
