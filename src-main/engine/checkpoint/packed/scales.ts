// Weights of one byte each, int8 or 8-bit float, with scales beside them:
//
//   p.weight        I8 or F8   [outputs, inputs]
//   p.weight_scale  floats     [1] or []                 one for the tensor
//                              [outputs] or [outputs, 1] one an output
//                              [outputs, groups]         one for inputs / groups weights of an output
//                              [ceil(outputs / h), ceil(inputs / w)]   one for a block of h x w ("block")
//   p.weight_zero_point  as the codes, shape as the scales; absent: 0
//
//   w[o, i] = (code[o, i] - zero) * scale
//
// The same layout with another name for the scales: DeepSeek's weight_scale_inv (blocks of 128 x 128, multiplied in spite
// of its name). Sources: compressed-tensors quantization/lifecycle/forward.py (dequantize), DeepSeek-V3 inference/fp8_cast.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { toFloat32 } from '../convert.ts'
import type { TensorInfo, TensorSource } from '../network.ts'
import { countOf, misfit, need, readScales } from './pieces.ts'
import { derivedWeight, type ScaledMatrix, weightsOf } from './scaled.ts'

export interface ScaledPieces {
  codes: TensorInfo
  scale: TensorInfo
  zero: TensorInfo | null
  block: readonly [number, number] | null // rows and columns of a block
  others: readonly TensorInfo[] // hidden with them
}

/** How scales lie over a matrix. */
interface Spread {
  groups: number
  size: number // columns of a group
  rowOf: (row: number) => number // row of the scale matrix
  width: number // of the scale matrix
  label: string
}

export function spreadOf(codes: TensorInfo, scale: TensorInfo, block: readonly [number, number] | null): Spread {
  const [outputs = 0, inputs = 0] = codes.shape
  const [height = 1, width = 1, ...rest] = scale.shape
  if (countOf(scale.shape) === 1) return { groups: 1, size: inputs, rowOf: () => 0, width: 1, label: 'tensor' }
  if (rest.length === 0 && block !== null) {
    const [high, wide] = block
    if (height === Math.ceil(outputs / high) && width === Math.ceil(inputs / wide))
      return {
        groups: width,
        size: wide,
        rowOf: (row) => Math.floor(row / high),
        width,
        label: `block ${high} x ${wide}`,
      }
  }
  if (rest.length === 0 && height === outputs && inputs % width === 0) {
    const size = inputs / width
    return { groups: width, size, rowOf: (row) => row, width, label: width === 1 ? 'channel' : `g${size}` }
  }
  const blocks = block ? ` or [${Math.ceil(outputs / block[0])}, ${Math.ceil(inputs / block[1])}]` : ''
  throw misfit(scale, `[1], [${outputs}, groups that divide ${inputs}]${blocks}`, `for ${outputs} x ${inputs} weights`)
}

/** A weight of bytes with scales as a plain one; `name` of the method for what is shown. */
export function scaledWeight(name: string, method: string, source: TensorSource, pieces: ScaledPieces) {
  const { codes, scale, zero, block, others } = pieces
  if (codes.shape.length !== 2)
    throw new Fault(
      'unsupported',
      `${codes.file}: tensor ${name} is ${codes.dtype} of ${codes.shape.length} dimensions`,
      {
        data: { file: codes.file, tensor: name, expected: '[outputs, inputs]', found: `[${codes.shape.join(', ')}]` },
      },
    )
  const [rows = 0, cols = 0] = codes.shape
  const { groups, size, rowOf, width, label } = spreadOf(codes, scale, block)
  if (zero) need(source, zero.name, [codes.dtype, 'int8', 'int32', scale.dtype], scale.shape, `for ${method}`)
  const spread = (info: TensorInfo) => (begin: number, end: number) => {
    const [first, last] = [rowOf(begin), rowOf(end - 1) + 1]
    const held = readScales(source, info, first, last, width)
    const out = new Float32Array((end - begin) * groups)
    for (let row = begin; row < end; row++) {
      const from = (rowOf(row) - first) * width
      out.set(held.subarray(from, from + groups), (row - begin) * groups)
    }
    return out
  }
  const matrix: ScaledMatrix = {
    ...{ rows, cols, groups, group: { size } },
    codes: (begin, end) => toFloat32(source.read(codes.name, { begin: begin * cols, end: end * cols }), codes.dtype),
    scales: spread(scale),
    ...(zero && { zeros: spread(zero) }),
  }
  const kind = codes.dtype === 'int8' ? 'int8' : 'fp8'
  const all = [codes, scale, ...(zero ? [zero] : []), ...others]
  return derivedWeight(name, matrix, all, `${method} ${kind} ${label}`, (begin, end) => weightsOf(matrix, begin, end))
}
