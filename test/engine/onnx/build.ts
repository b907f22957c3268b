// Small models for tests: protobuf by hand (so that it can be wrong) and graphs by code.
import {
  type Attribute,
  type Graph,
  type Initializer,
  node,
  type Node,
  type ValueInfo,
} from '../../../src-main/engine/graph/ir.ts'

/** Protobuf varint. */
export function varint(value: number | bigint): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(rest)])
}
export const tag = (field: number, type: number) => varint(field * 8 + type)
export const integer = (field: number, value: number | bigint) => Buffer.concat([tag(field, 0), varint(value)])
export const bytes = (field: number, ...value: (Uint8Array | string)[]) => {
  const whole = Buffer.concat(value.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)))
  return Buffer.concat([tag(field, 2), varint(whole.length), whole])
}

/** TensorProto. `data`: the field that holds the elements, already encoded. */
export const tensor = (name: string, dims: (number | bigint)[], type: number, ...data: Uint8Array[]) =>
  Buffer.concat([...dims.map((dim) => integer(1, dim)), integer(2, type), bytes(8, name), ...data])
export const nodeProto = (op: string, inputs: string[], outputs: string[], ...more: Uint8Array[]) =>
  Buffer.concat([
    ...inputs.map((name) => bytes(1, name)),
    ...outputs.map((name) => bytes(2, name)),
    bytes(4, op),
    ...more,
  ])
export const valueProto = (name: string) => Buffer.concat([bytes(1, name), bytes(2, bytes(1, integer(1, 1)))])
export const opset = (version: number, domain = '') =>
  bytes(8, ...(domain ? [bytes(1, domain)] : []), integer(2, version))

/** ModelProto around graph fields: input x, output y, opset 13 unless given. */
export const model = (graph: Uint8Array[], more: Uint8Array[] = [opset(13)], irVersion = 8) =>
  Buffer.concat([
    integer(1, irVersion),
    bytes(7, ...graph, bytes(2, 'g'), bytes(11, valueProto('x')), bytes(12, valueProto('y'))),
    ...more,
  ])

export const floats = (values: readonly number[]) => Buffer.from(Float32Array.from(values).buffer)

export const float32 = (name: string, shape: number[], values: readonly number[]): Initializer => ({
  name,
  dtype: 'float32',
  shape,
  data: { inline: new Uint8Array(floats(values)) },
})
/** Seeded values in -1 .. 1. */
export const noise = (count: number, seed = 1): number[] => {
  let state = seed
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 31 - 1
  })
}
export const weight = (name: string, shape: number[], seed = 1) =>
  float32(
    name,
    shape,
    noise(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
  )

export function graphOf(parts: {
  nodes: Node[]
  inputs: ValueInfo[]
  outputs: string[]
  initializers?: Initializer[]
  opset?: number
}): Graph {
  return {
    name: 'test',
    irVersion: 8,
    opsets: new Map([['', parts.opset ?? 13]]),
    nodes: parts.nodes,
    inputs: parts.inputs,
    outputs: parts.outputs.map((name) => ({ name, dtype: 'float32', shape: null })),
    initializers: new Map((parts.initializers ?? []).map((each) => [each.name, each])),
    values: new Map(),
    functions: [],
    metadata: new Map(),
    producer: 'lathe-test',
  }
}
export const step = (op: string, inputs: string[], output: string, attributes: Record<string, Attribute> = {}) =>
  node(op, inputs, [output], attributes)
