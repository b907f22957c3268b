import { Fault } from '../../../src-preload/contract/fault.ts'
import { runtime, type Tensor } from './ort.ts'
import type { TensorValue } from './types.ts'

type Data = TensorValue['data']

/** Array type of each element type that can cross into a session. float16 and bool travel as their bits. */
const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  uint16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const
type Crossing = keyof typeof arrays
const crosses = (dtype: string): dtype is Crossing => Object.hasOwn(arrays, dtype)

export const elements = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1)

/** A value as ONNX Runtime wants it; shares memory. Faults when type, shape and data disagree. */
export function toTensor(name: string, value: TensorValue): Tensor {
  const refuse = (expected: string, found: string) =>
    new Fault('bad-arguments', `Input "${name}": expected ${expected}, found ${found}.`, { data: { tensor: name } })
  if (!crosses(value.dtype)) throw refuse(Object.keys(arrays).join(', '), value.dtype)
  if (!(value.data instanceof arrays[value.dtype]))
    throw refuse(`${arrays[value.dtype].name} for ${value.dtype}`, value.data.constructor.name)
  if (elements(value.dims) !== value.data.length)
    throw refuse(`${elements(value.dims)} elements for shape [${value.dims.join(', ')}]`, `${value.data.length}`)
  if (value.dtype !== 'float16')
    return new (runtime().Tensor)(value.dtype as 'float32', value.data as Float32Array, value.dims)
  // Where JavaScript has Float16Array, the package insists on it, and its native half cannot read it (1.30).
  const bits = new (runtime().Tensor)('uint16', value.data as Uint16Array, value.dims)
  return Object.assign(bits, { type: 'float16' })
}

/** What came out of a session, as plain arrays. */
export function fromTensor(name: string, tensor: Tensor): TensorValue {
  const dtype: string = tensor.type
  if (!crosses(dtype))
    throw new Fault('unsupported', `Output "${name}" is of type ${dtype}, which cannot be read.`, {
      data: { tensor: name, expected: Object.keys(arrays).join(', '), found: dtype },
    })
  const data = tensor.data as ArrayBufferView
  const array = arrays[dtype]
  const same = data instanceof array
  // Newer Node gives float16 as Float16Array: the same bits under another name.
  const plain = same ? data : new array(data.buffer as ArrayBuffer, data.byteOffset, elements(tensor.dims))
  return { dtype, dims: [...tensor.dims], data: plain as Data }
}

/** Raw little-endian bytes of an initializer as a value for a session input. Copies only where alignment asks for it. */
export function fromBytes(dtype: TensorValue['dtype'], dims: number[], bytes: Uint8Array): TensorValue {
  if (!crosses(dtype)) throw new Fault('unsupported', `A weight of type ${dtype} cannot be a session input.`)
  const array = arrays[dtype]
  const aligned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice()
  const length = aligned.byteLength / array.BYTES_PER_ELEMENT
  return { dtype, dims, data: new array(aligned.buffer as ArrayBuffer, aligned.byteOffset, length) }
}
