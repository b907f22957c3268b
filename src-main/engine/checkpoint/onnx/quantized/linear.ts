// DequantizeLinear and QuantizeLinear of constants.
//   ONNX operator specification, DequantizeLinear-21: y = (x - zero) * scale; scale is a scalar, one per slice of `axis`, or
//   (block_size > 0) of x's rank with ceil(d / block_size) entries along `axis`. QuantizeLinear-21: saturate(round(x / scale) + zero)
import { Fault } from '../../../../../src-preload/contract/fault.ts'
import { attributeInt, type DataType, dataTypes, type Node } from '../../../graph/ir.ts'
import { bfloatToFloat, floatToBfloat, floatToHalf, halfToFloat } from '../../convert.ts'
import type { ConstantOperator, Header } from './operators.ts'
import { emptyOf, isFloat, product, type Value } from './value.ts'

/** Maps the flat index of an element to that of its scale. */
interface Grid {
  outer: number
  size: number // of the axis
  inner: number
  block: number // elements of the axis that share a scale
  blocks: number
  whole: boolean // one scale for everything
}

function gridOf(node: Node, shape: readonly number[], scale: readonly number[]): Grid | null {
  const count = product(scale)
  if (count === 1 && scale.length <= 1)
    return { outer: 1, size: 1, inner: product(shape), block: 1, blocks: 1, whole: true }
  const axis = attributeInt(node, 'axis', 1)
  const at = axis < 0 ? axis + shape.length : axis
  const size = shape[at]
  if (size === undefined) return null
  const block = attributeInt(node, 'block_size', 0)
  const blocks = block > 0 ? Math.ceil(size / block) : size
  const grid = {
    outer: product(shape.slice(0, at)),
    size,
    inner: product(shape.slice(at + 1)),
    block: Math.max(1, block),
    blocks,
    whole: false,
  }
  if (block === 0) return scale.length === 1 && count === size ? grid : null
  const fits = scale.length === shape.length && scale.every((each, i) => each === (i === at ? blocks : shape[i]))
  return fits ? grid : null
}

/** Per-slice scales are [size], blocked ones [outer, blocks, inner]. */
function each(grid: Grid, blocked: boolean, visit: (index: number, scale: number) => void): void {
  const { outer, size, inner, block, blocks, whole } = grid
  let index = 0
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < size; i++) {
      const row = blocked ? (o * blocks + Math.floor(i / block)) * inner : i
      for (let k = 0; k < inner; k++) visit(index++, whole ? 0 : blocked ? row + k : row)
    }
}

const isBlocked = (node: Node) => attributeInt(node, 'block_size', 0) > 0

const narrow = (data: Float32Array, dtype: DataType): Float32Array =>
  dtype === 'float16'
    ? halfToFloat(floatToHalf(data))
    : dtype === 'bfloat16'
      ? bfloatToFloat(floatToBfloat(data))
      : data

const operands = (node: Node, [x, scale, zero]: readonly (Value | undefined)[]) => {
  const grid = x && scale && gridOf(node, x.shape, scale.shape)
  if (!grid) throw new Fault('internal', `${node.op} of operands that do not fit`)
  return { x, scale, zero, grid }
}

const agrees = (scale: Header, zero: Header | undefined): boolean =>
  zero === undefined || product(zero.shape) === product(scale.shape)

export const dequantizeLinear: ConstantOperator = {
  rearranges: false,
  header(node, [x, scale, zero]) {
    if (!x || !scale || !isFloat(scale.dtype) || !agrees(scale, zero)) return null
    return gridOf(node, x.shape, scale.shape) ? { dtype: scale.dtype, shape: x.shape } : null
  },
  run(node, inputs, { dtype, shape }) {
    const { x, scale, zero, grid } = operands(node, inputs)
    const data = new Float32Array(x.data.length)
    each(grid, isBlocked(node), (index, at) => {
      data[index] = ((x.data[index] as number) - (zero ? (zero.data[at] as number) : 0)) * (scale.data[at] as number)
    })
    return { dtype, shape, data: narrow(data, dtype) }
  },
}

const ranges: Partial<Record<DataType, [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int4: [-8, 7],
  uint4: [0, 15],
}

const targetOf = (node: Node, zero: Header | undefined): DataType | undefined =>
  zero?.dtype ?? dataTypes[attributeInt(node, 'output_dtype', 0) || dataTypes.indexOf('uint8')]

/** To the nearest whole number, ties to even. */
function nearest(x: number): number {
  const low = Math.floor(x)
  const rest = x - low
  if (rest !== 0.5) return Math.round(x)
  return low % 2 === 0 ? low : low + 1
}

export const quantizeLinear: ConstantOperator = {
  rearranges: false,
  header(node, [x, scale, zero]) {
    if (!x || !scale || !agrees(scale, zero)) return null
    const dtype = targetOf(node, zero)
    return dtype && ranges[dtype] && gridOf(node, x.shape, scale.shape) ? { dtype, shape: x.shape } : null
  },
  run(node, inputs, { dtype, shape }) {
    const { x, scale, zero, grid } = operands(node, inputs)
    const [low, high] = ranges[dtype] ?? [0, 0]
    const data = emptyOf(dtype, x.data.length)
    each(grid, isBlocked(node), (index, at) => {
      const rounded = nearest(Math.fround((x.data[index] as number) / (scale.data[at] as number)))
      data[index] = Math.min(high, Math.max(low, rounded + (zero ? (zero.data[at] as number) : 0)))
    })
    return { dtype, shape, data }
  },
}
