// Operators that constant expressions around a weight are made of: their result's shape from headers alone, and their
// value. Semantics: ONNX operator specification, opset 21 (broadcasting, axes, attribute defaults).
import { Fault } from '../../../../../src-preload/contract/fault.ts'
import { attributeInt, attributeInts, attributeString, type DataType, dataTypes, type Node } from '../../../graph/ir.ts'
import { floatToBfloat, floatToHalf, bfloatToFloat, halfToFloat } from '../../convert.ts'
import { broadcastShape, combine, gatherStrided, stridesOf } from './broadcast.ts'
import { dequantizeLinear, quantizeLinear } from './linear.ts'
import { emptyOf, isFloat, product, type Value } from './value.ts'

/** What is known of an operand before its numbers are read. */
export interface Header {
  dtype: DataType
  shape: number[]
  integers: number[] | null // the values of small integer constants
}

export interface ConstantOperator {
  /** True where the result holds the first input's numbers, only arranged or stored in another way. */
  rearranges: boolean
  /** null: cannot be folded. */
  header(node: Node, inputs: readonly Header[]): Omit<Header, 'integers'> | null
  run(node: Node, inputs: readonly Value[], result: Omit<Header, 'integers'>): Value
}

const first = (inputs: readonly Value[]): Value => {
  const [value] = inputs
  if (!value) throw new Fault('internal', 'an operator without inputs')
  return value
}
const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis)

/** Same numbers under another shape. */
const reshaping = (shapeOf: (node: Node, inputs: readonly Header[]) => number[] | null): ConstantOperator => ({
  rearranges: true,
  header(node, inputs) {
    const [input] = inputs
    const shape = input ? shapeOf(node, inputs) : null
    return input && shape && product(shape) === product(input.shape) ? { dtype: input.dtype, shape } : null
  },
  run: (_, inputs, { shape }) => ({ ...first(inputs), shape }),
})

function reshapeOf(node: Node, [input, wanted]: readonly Header[]): number[] | null {
  if (!input || !wanted?.integers) return null
  const zeroKeeps = attributeInt(node, 'allowzero', 0) === 0
  const shape = wanted.integers.map((size, axis) => (size === 0 && zeroKeeps ? (input.shape[axis] ?? -2) : size))
  const open = shape.indexOf(-1)
  if (open >= 0) shape[open] = product(input.shape) / -product(shape)
  return shape.every((size) => Number.isInteger(size) && size >= 0) ? shape : null
}

const axesOf = (node: Node, inputs: readonly Header[]): number[] | null =>
  attributeInts(node, 'axes') ?? inputs[1]?.integers ?? null

function unsqueezeOf(node: Node, inputs: readonly Header[]): number[] | null {
  const axes = axesOf(node, inputs)
  const shape = [...(inputs[0]?.shape ?? [])]
  if (!axes) return null
  const rank = shape.length + axes.length
  for (const axis of axes.map((each) => axisOf(each, rank)).sort((a, b) => a - b)) shape.splice(axis, 0, 1)
  return shape
}

function squeezeOf(node: Node, inputs: readonly Header[]): number[] | null {
  const shape = inputs[0]?.shape ?? []
  const axes = axesOf(node, inputs)?.map((axis) => axisOf(axis, shape.length))
  return shape.filter((size, axis) => (axes ? !axes.includes(axis) : size !== 1))
}

const permutation = (node: Node, rank: number): number[] =>
  attributeInts(node, 'perm') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis)

/** Rounds float32 numbers to what a narrower type holds. */
function rounded(data: Float32Array, dtype: DataType): Float32Array {
  if (dtype === 'float16') return halfToFloat(floatToHalf(data))
  if (dtype === 'bfloat16') return bfloatToFloat(floatToBfloat(data))
  return data
}

const castable = new Set<DataType>([
  ...(['float32', 'float16', 'bfloat16', 'float64', 'bool', 'int8', 'uint8'] as const),
  ...(['int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64'] as const),
])

const wrap: Partial<Record<DataType, (x: number) => number>> = {
  int8: (x) => (x << 24) >> 24,
  uint8: (x) => x & 255,
  int16: (x) => (x << 16) >> 16,
  uint16: (x) => x & 65535,
}

function cast(value: Value, dtype: DataType): Value {
  const data = emptyOf(dtype, value.data.length)
  const toInteger = !isFloat(dtype) && dtype !== 'bool'
  const fit = wrap[dtype]
  for (let i = 0; i < data.length; i++) {
    const x = value.data[i] as number
    const whole = toInteger ? Math.trunc(x) : dtype === 'bool' ? Number(x !== 0) : x
    data[i] = fit ? fit(whole) : whole
  }
  return { dtype, shape: value.shape, data: data instanceof Float32Array ? rounded(data, dtype) : data }
}

const elementwise = (f: (node: Node, dtype: DataType) => (x: number, y: number) => number): ConstantOperator => ({
  rearranges: false,
  header(_, [a, b]) {
    const shape = a && b && a.dtype === b.dtype ? broadcastShape(a.shape, b.shape) : null
    return a && shape ? { dtype: a.dtype, shape } : null
  },
  run(node, [a, b], { dtype, shape }) {
    if (!a || !b) throw new Fault('internal', `${node.op} without operands`)
    const result = combine(a, b, shape, dtype, f(node, dtype))
    return result.data instanceof Float32Array ? { ...result, data: rounded(result.data, dtype) } : result
  },
})
const arithmetic = (f: (x: number, y: number) => number) =>
  elementwise((_, dtype) => {
    const fit = wrap[dtype]
    return fit ? (x, y) => fit(f(x, y)) : f
  })

export const constantOperators: Readonly<Record<string, ConstantOperator>> = {
  Identity: reshaping((_, [input]) => input?.shape ?? null),
  Reshape: reshaping(reshapeOf),
  Unsqueeze: reshaping(unsqueezeOf),
  Squeeze: reshaping(squeezeOf),
  Flatten: reshaping((node, [input]) => {
    const shape = input?.shape ?? []
    const axis = axisOf(attributeInt(node, 'axis', 1), shape.length)
    return [product(shape.slice(0, axis)), product(shape.slice(axis))]
  }),
  Transpose: {
    rearranges: true,
    header(node, [input]) {
      if (!input) return null
      const perm = permutation(node, input.shape.length)
      const fits = perm.length === input.shape.length && new Set(perm).size === perm.length
      const shape = perm.map((axis) => input.shape[axis] ?? -1)
      return fits && !shape.includes(-1) ? { dtype: input.dtype, shape } : null
    },
    run(node, inputs, { shape }) {
      const value = first(inputs)
      const strides = stridesOf(value.shape)
      return gatherStrided(
        value,
        shape,
        permutation(node, shape.length).map((axis) => strides[axis] as number),
      )
    },
  },
  Cast: {
    rearranges: true,
    header(node, [input]) {
      const dtype = dataTypes[attributeInt(node, 'to', 0)]
      const plain = dtype && castable.has(dtype)
      return input && plain ? { dtype, shape: input.shape } : null
    },
    run: (_, inputs, { dtype }) => cast(first(inputs), dtype),
  },
  Gather: {
    rearranges: false,
    header(node, [input, indices]) {
      if (!input || !indices) return null
      const axis = axisOf(attributeInt(node, 'axis', 0), input.shape.length)
      return {
        dtype: input.dtype,
        shape: [...input.shape.slice(0, axis), ...indices.shape, ...input.shape.slice(axis + 1)],
      }
    },
    run(node, [input, indices], { dtype, shape }) {
      if (!input || !indices) throw new Fault('internal', 'Gather without operands')
      const axis = axisOf(attributeInt(node, 'axis', 0), input.shape.length)
      const [size = 0, inner] = [input.shape[axis], product(input.shape.slice(axis + 1))]
      const outer = product(input.shape.slice(0, axis))
      const data = emptyOf(dtype, product(shape))
      let at = 0
      for (let o = 0; o < outer; o++)
        for (const index of indices.data) {
          const row = axisOf(index, size)
          if (!(row >= 0 && row < size))
            throw new Fault('bad-input', `${node.name}: the constant index ${index} lies outside an axis of ${size}`)
          data.set(input.data.subarray((o * size + row) * inner, (o * size + row + 1) * inner), at)
          at += inner
        }
      return { dtype, shape, data }
    },
  },
  Concat: {
    rearranges: true,
    header(node, inputs) {
      const [head] = inputs
      if (!head) return null
      const axis = axisOf(attributeInt(node, 'axis', 0), head.shape.length)
      const total = inputs.reduce((sum, input) => sum + (input.shape[axis] ?? Number.NaN), 0)
      const agrees = inputs.every(
        ({ dtype, shape }) =>
          dtype === head.dtype &&
          shape.length === head.shape.length &&
          shape.every((size, i) => i === axis || size === head.shape[i]),
      )
      return agrees && total >= 0
        ? { dtype: head.dtype, shape: head.shape.map((size, i) => (i === axis ? total : size)) }
        : null
    },
    run(node, inputs, { dtype, shape }) {
      const axis = axisOf(attributeInt(node, 'axis', 0), shape.length)
      const data = emptyOf(dtype, product(shape))
      const outer = product(shape.slice(0, axis))
      let at = 0
      for (let o = 0; o < outer; o++)
        for (const input of inputs) {
          const run = product(input.shape.slice(axis))
          data.set(input.data.subarray(o * run, (o + 1) * run), at)
          at += run
        }
      return { dtype, shape, data }
    },
  },
  Add: arithmetic((x, y) => x + y),
  Sub: arithmetic((x, y) => x - y),
  Mul: arithmetic((x, y) => x * y),
  Div: elementwise((_, dtype) => (isFloat(dtype) ? (x, y) => x / y : (x, y) => Math.trunc(x / y))),
  // fmod 0 (integers): the result has the sign of the divisor.
  Mod: elementwise((node) =>
    attributeInt(node, 'fmod', 0) === 1 ? (x, y) => x % y : (x, y) => x - Math.floor(x / y) * y,
  ),
  Min: arithmetic(Math.min),
  Max: arithmetic(Math.max),
  BitwiseAnd: arithmetic((x, y) => x & y),
  BitwiseOr: arithmetic((x, y) => x | y),
  BitShift: elementwise((node, dtype) => {
    const fit = wrap[dtype] ?? ((x: number) => x)
    return attributeString(node, 'direction', 'LEFT') === 'RIGHT' ? (x, y) => fit(x >>> y) : (x, y) => fit(x << y)
  }),
  DequantizeLinear: dequantizeLinear,
  QuantizeLinear: quantizeLinear,
}
