// Just enough protobuf writing to make ONNX files, good and bad, byte by byte.
export type Bytes = Uint8Array | number[]

const join = (parts: Bytes[]): Uint8Array => Uint8Array.from(Buffer.concat(parts.map((part) => Uint8Array.from(part))))

export function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0))
    rest >>= 7n
  } while (rest > 0n)
  return Uint8Array.from(bytes)
}

export const int = (field: number, value: number | bigint): Uint8Array => join([varint(field << 3), varint(value)])
export const message = (field: number, ...parts: Bytes[]): Uint8Array => {
  const body = join(parts)
  return join([varint((field << 3) | 2), varint(body.length), body])
}
export const text = (field: number, value: string): Uint8Array => message(field, new TextEncoder().encode(value))
export const concat = (...parts: Bytes[]): Uint8Array => join(parts)

export const valueInfo = (field: number, name: string, dims: (number | bigint)[] = [1, 4]): Uint8Array =>
  message(
    field,
    text(1, name),
    message(2, message(1, int(1, 1), message(2, ...dims.map((dim) => message(1, int(1, dim)))))),
  )

export const node = (op: string, inputs: string[], outputs: string[], more: Bytes[] = []): Uint8Array =>
  message(1, ...inputs.map((name) => text(1, name)), ...outputs.map((name) => text(2, name)), text(4, op), ...more)

export interface TensorParts {
  name?: string
  dims?: (number | bigint)[]
  type?: number
  raw?: Bytes | null
  external?: [string, string][]
}

/** An initializer (field 5 of the graph); float32 [4, 2] unless told. */
export const tensor = ({ name = 'w', dims = [4, 2], type = 1, raw, external }: TensorParts = {}): Uint8Array =>
  message(
    5,
    ...dims.map((dim) => int(1, dim)),
    int(2, type),
    text(8, name),
    ...(external
      ? [...external.map(([key, value]) => message(13, text(1, key), text(2, value))), int(14, 1)]
      : raw === null
        ? []
        : [message(9, raw ?? new Uint8Array(new Float32Array(8).fill(0.5).buffer))]),
  )

export interface ModelParts {
  ir?: number
  opset?: number
  domains?: [string, number][]
  nodes?: Bytes[]
  tensors?: Bytes[]
  inputs?: Bytes[]
  outputs?: Bytes[]
  more?: Bytes[] // fields of the model itself
}

/** y = MatMul(x [1, 4], w [4, 2]) unless parts say otherwise. */
export const model = (parts: ModelParts = {}): Uint8Array =>
  concat(
    int(1, parts.ir ?? 9),
    message(
      7,
      ...(parts.nodes ?? [node('MatMul', ['x', 'w'], ['y'])]),
      text(2, 'graph'),
      ...(parts.tensors ?? [tensor()]),
      ...(parts.inputs ?? [valueInfo(11, 'x')]),
      ...(parts.outputs ?? [valueInfo(12, 'y', [1, 2])]),
    ),
    message(8, int(2, parts.opset ?? 17)),
    ...(parts.domains ?? []).map(([domain, version]) => message(8, text(1, domain), int(2, version))),
    ...(parts.more ?? []),
  )
