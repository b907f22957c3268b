// Constants of a graph as numbers: what the folding of constant expressions computes with.
import { Fault } from '../../../../../src-preload/contract/fault.ts'
import { type DataType, bitsOf } from '../../../graph/ir.ts'
import { aligned, toFloat32 } from '../../convert.ts'

/** Floats of every width are kept as float32, integers up to 32 bits as int32, wider ones as float64. Row-major. */
export interface Value {
  dtype: DataType
  shape: number[]
  data: Float32Array | Int32Array | Float64Array
}

export const product = (shape: readonly number[]): number => shape.reduce((all, size) => all * size, 1)

export const isFloat = (dtype: DataType): boolean => /^b?float/.test(dtype)

const wide = new Set<DataType>(['int64', 'uint64', 'uint32', 'float64'])

/** Room for `count` numbers of a type. */
export const emptyOf = (dtype: DataType, count: number): Value['data'] =>
  wide.has(dtype) ? new Float64Array(count) : isFloat(dtype) ? new Float32Array(count) : new Int32Array(count)

/** Little-endian bytes of an ONNX tensor. Faults 'unsupported' for text and complex numbers. */
export function valueOf(dtype: DataType, shape: number[], raw: Uint8Array): Value {
  const count = product(shape)
  const bytes = aligned(raw)
  const buffer = bytes.buffer as ArrayBuffer
  switch (dtype) {
    case 'int64':
      return { dtype, shape, data: Float64Array.from(new BigInt64Array(buffer, bytes.byteOffset, count), Number) }
    case 'uint64':
      return { dtype, shape, data: Float64Array.from(new BigUint64Array(buffer, bytes.byteOffset, count), Number) }
    case 'uint32':
      return { dtype, shape, data: Float64Array.from(new Uint32Array(buffer, bytes.byteOffset, count)) }
    case 'float64':
      return { dtype, shape, data: new Float64Array(buffer, bytes.byteOffset, count) }
    case 'int32':
      return { dtype, shape, data: new Int32Array(buffer, bytes.byteOffset, count) }
    case 'int16':
      return { dtype, shape, data: Int32Array.from(new Int16Array(buffer, bytes.byteOffset, count)) }
    case 'uint16':
      return { dtype, shape, data: Int32Array.from(new Uint16Array(buffer, bytes.byteOffset, count)) }
    case 'int8':
      return { dtype, shape, data: Int32Array.from(new Int8Array(buffer, bytes.byteOffset, count)) }
    case 'uint8':
    case 'bool':
      return { dtype, shape, data: Int32Array.from(bytes.subarray(0, count)) }
    case 'int4':
    case 'uint4':
    case 'int2':
    case 'uint2':
      return { dtype, shape, data: unpackIntegers(bytes, count, bitsOf[dtype], dtype.startsWith('int')) }
    case 'float32':
    case 'float16':
    case 'bfloat16':
    case 'float8e4m3fn':
    case 'float8e4m3fnuz':
    case 'float8e5m2':
    case 'float8e5m2fnuz':
    case 'float8e8m0':
    case 'float4e2m1':
      return { dtype, shape, data: toFloat32(bytes, dtype).subarray(0, count) }
    default:
      throw new Fault('unsupported', `constants of type ${dtype} are not computed with`, { data: { found: dtype } })
  }
}

/** Several to a byte, the first in the lowest bits (ONNX, TensorProto.raw_data of 4- and 2-bit types). */
export function unpackIntegers(bytes: Uint8Array, count: number, bits: number, signed: boolean): Int32Array {
  const out = new Int32Array(count)
  const perByte = 8 / bits
  const mask = 2 ** bits - 1
  const shift = 32 - bits
  for (let i = 0; i < count; i++) {
    const code = ((bytes[Math.floor(i / perByte)] as number) >> ((i % perByte) * bits)) & mask
    out[i] = signed ? (code << shift) >> shift : code
  }
  return out
}
