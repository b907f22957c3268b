// The one representation of every network: an ONNX graph whose weights are named references into a TensorSource.

/** ONNX TensorProto.DataType, by its usual name. */
export const dataTypes = [
  'undefined',
  'float32',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'int32',
  'int64',
  'string',
  'bool',
  'float16',
  'float64',
  'uint32',
  'uint64',
  'complex64',
  'complex128',
  'bfloat16',
  'float8e4m3fn',
  'float8e4m3fnuz',
  'float8e5m2',
  'float8e5m2fnuz',
  'uint4',
  'int4',
  'float4e2m1',
  'float8e8m0',
  'uint2',
  'int2',
] as const // index = the number in the file
export type DataType = (typeof dataTypes)[number]

/** Bits of one element; 0 for strings and undefined. */
export const bitsOf: Record<DataType, number> = {
  undefined: 0,
  float32: 32,
  uint8: 8,
  int8: 8,
  uint16: 16,
  int16: 16,
  int32: 32,
  int64: 64,
  string: 0,
  bool: 8,
  float16: 16,
  float64: 64,
  uint32: 32,
  uint64: 64,
  complex64: 64,
  complex128: 128,
  bfloat16: 16,
  float8e4m3fn: 8,
  float8e4m3fnuz: 8,
  float8e5m2: 8,
  float8e5m2fnuz: 8,
  uint4: 4,
  int4: 4,
  float4e2m1: 4,
  float8e8m0: 8,
  uint2: 2,
  int2: 2,
}

/** number, symbolic name, or null when unknown. */
export type Dim = number | string | null

export interface ValueInfo {
  name: string
  dtype: DataType
  shape: Dim[] | null // null: unknown rank
  /** TypeProto of a value that is no plain tensor (sequence, optional, map), carried untouched; dtype is 'undefined' then. */
  type?: Uint8Array
}

/** A tensor inside the graph. `inline`: bytes as ONNX raw_data (little endian; for strings the
 *  encoded string_data fields). `source`: read by that name from the
 *  network's TensorSource and converted to `dtype` where the checkpoint stores another float type. */
export interface Initializer {
  name: string
  dtype: DataType
  shape: number[]
  data: { inline: Uint8Array } | { source: string }
}

export type Attribute =
  | { kind: 'int'; value: bigint }
  | { kind: 'float'; value: number }
  | { kind: 'string'; value: Uint8Array }
  | { kind: 'tensor'; value: Initializer } // data is always inline
  | { kind: 'graph'; value: Graph }
  | { kind: 'ints'; value: bigint[] }
  | { kind: 'floats'; value: number[] }
  | { kind: 'strings'; value: Uint8Array[] }
  | { kind: 'raw'; value: Uint8Array } // anything else: the AttributeProto's own bytes, carried untouched

export interface Node {
  name: string
  op: string
  domain: string // '' is ai.onnx
  inputs: string[] // '' = omitted optional input
  outputs: string[]
  attributes: Map<string, Attribute>
}

export interface Graph {
  name: string
  irVersion: number
  opsets: Map<string, number> // domain -> version; '' is ai.onnx. Subgraphs carry the model's.
  nodes: Node[] // topologically sorted
  inputs: ValueInfo[] // without initializers
  outputs: ValueInfo[]
  initializers: Map<string, Initializer>
  values: Map<string, ValueInfo> // value_info, where the file gives it
  functions: Uint8Array[] // FunctionProtos, carried untouched
  metadata: Map<string, string>
  producer: string
}

/** Attributes with the spec's defaults, as plain numbers and strings. */
export const attributeInt = (node: Node, name: string, fallback: number): number => {
  const found = node.attributes.get(name)
  return found?.kind === 'int' ? Number(found.value) : fallback
}
export const attributeInts = (node: Node, name: string): number[] | null => {
  const found = node.attributes.get(name)
  return found?.kind === 'ints' ? found.value.map(Number) : null
}
export const attributeString = (node: Node, name: string, fallback: string): string => {
  const found = node.attributes.get(name)
  return found?.kind === 'string' ? new TextDecoder().decode(found.value) : fallback
}

export const int = (value: number): Attribute => ({ kind: 'int', value: BigInt(value) })
export const ints = (values: number[]): Attribute => ({ kind: 'ints', value: values.map(BigInt) })
export const float = (value: number): Attribute => ({ kind: 'float', value })
export const text = (value: string): Attribute => ({ kind: 'string', value: new TextEncoder().encode(value) })

/** A node built by code. */
export const node = (
  op: string,
  inputs: string[],
  outputs: string[],
  attributes: Record<string, Attribute> = {},
  more: { name?: string; domain?: string } = {},
): Node => ({
  name: more.name ?? outputs[0] ?? op,
  op,
  domain: more.domain ?? '',
  inputs,
  outputs,
  attributes: new Map(Object.entries(attributes)),
})
