// IR -> ONNX bytes: in memory, as an exact length, or streamed with one weight in memory at a time.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { type Attribute, dataTypes, type Graph, type Initializer, type Node, type ValueInfo } from '../../graph/ir.ts'
import type { WeightReader } from '../../runtime/types.ts'
import { attributeTypes } from './schema.ts'
import { storedBytes } from './tensor.ts'
import { type Part, Writer } from './writer.ts'

/** Protobuf readers refuse a message of 2 GiB. */
const largestModel = 2 ** 31 - 1
const largestChunk = 64 * 1024 * 1024
const alignment = 4096 // of tensors in external data, so that a reader can map them

export interface ExternalData {
  location: string // file name beside the model
  thresholdBytes: number // initializers of at least this size go there
  sink: (chunk: Uint8Array) => void
}

interface ExternalWeight {
  weight: Initializer
  offset: number
  bytes: number
}

interface Encoded {
  parts: Part[]
  length: number
  external: ExternalWeight[]
  externalBytes: number
}

/** The whole model in memory. Faults 'too-large' at 2 GiB. */
export function encodeModel(graph: Graph, weights: WeightReader): Uint8Array {
  const { parts, length } = limited(build(graph))
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    const bytes = part instanceof Uint8Array ? part : fetch(part, weights)
    out.set(bytes, at)
    at += bytes.length
  }
  return out
}

/** Bytes that encodeModel gives, from types and shapes alone. */
export function measureModel(graph: Graph): number {
  return build(graph).length
}

/** Bytes of the model file and of its external data file when initializers from `thresholdBytes` on go there. */
export function measureExternal(
  graph: Graph,
  external: Pick<ExternalData, 'location' | 'thresholdBytes'>,
): { modelBytes: number; externalBytes: number } {
  const { length, externalBytes } = build(graph, external)
  return { modelBytes: length, externalBytes }
}

/**
 * Writes the model piece by piece; peak memory is about one tensor. With `external`, large initializers go to a second
 * file, each at a multiple of 4096 bytes, in graph order. Faults 'too-large' where the model itself would reach 2 GiB.
 */
export function streamModel(
  graph: Graph,
  weights: WeightReader,
  sink: (chunk: Uint8Array) => void,
  external?: ExternalData,
): void {
  const encoded = limited(build(graph, external))
  for (const part of encoded.parts) emit(part instanceof Uint8Array ? part : fetch(part, weights), sink)
  if (!external) return
  let at = 0
  for (const part of encoded.external) {
    if (part.offset > at) external.sink(new Uint8Array(part.offset - at))
    emit(fetch(part, weights), external.sink)
    at = part.offset + part.bytes
  }
}

function emit(bytes: Uint8Array, sink: (chunk: Uint8Array) => void): void {
  for (let at = 0; at < bytes.length; at += largestChunk) sink(bytes.subarray(at, at + largestChunk))
}

function limited(encoded: Encoded): Encoded {
  if (encoded.length <= largestModel) return encoded
  throw new Fault('too-large', `The ONNX model would take ${encoded.length} bytes; a file may have ${largestModel}.`, {
    hint: 'Keep the weights in an external data file.',
    data: { expected: `at most ${largestModel} bytes`, found: `${encoded.length} bytes` },
  })
}

function fetch(part: { weight: Initializer; bytes: number }, weights: WeightReader): Uint8Array {
  const { weight, bytes } = part
  const data = 'inline' in weight.data ? weight.data.inline : weights(weight.name)
  if (data.length === bytes) return data
  throw new Fault('internal', `Tensor "${weight.name}" gave ${data.length} bytes where ${bytes} belong.`, {
    data: { tensor: weight.name, expected: `${bytes} bytes for ${weight.dtype} [${weight.shape.join(', ')}]` },
  })
}

function build(graph: Graph, external?: Pick<ExternalData, 'location' | 'thresholdBytes'>): Encoded {
  const out = new Writer()
  const encoded: Encoded = { parts: [], length: 0, external: [], externalBytes: 0 }
  out.integer(1, graph.irVersion)
  if (graph.producer !== '') out.text(2, graph.producer)
  out.message(7, (inner) => writeGraph(inner, graph, external ? { ...external, encoded } : null))
  for (const [domain, version] of graph.opsets) {
    out.message(8, (inner) => {
      if (domain !== '') inner.text(1, domain)
      inner.integer(2, version)
    })
  }
  for (const [key, value] of graph.metadata) {
    out.message(14, (inner) => {
      inner.text(1, key)
      inner.text(2, value)
    })
  }
  for (const bytes of graph.functions) out.bytes(25, bytes)
  return { ...encoded, parts: out.finish(), length: out.length }
}

type External = { location: string; thresholdBytes: number; encoded: Encoded } | null

function writeGraph(out: Writer, graph: Graph, external: External): void {
  for (const node of graph.nodes) out.message(1, (inner) => writeNode(inner, node))
  out.text(2, graph.name === '' ? 'graph' : graph.name)
  for (const initializer of graph.initializers.values()) {
    out.message(5, (inner) => writeTensor(inner, initializer, external))
  }
  for (const value of graph.inputs) out.message(11, (inner) => writeValue(inner, value))
  for (const value of graph.outputs) out.message(12, (inner) => writeValue(inner, value))
  for (const value of graph.values.values()) out.message(13, (inner) => writeValue(inner, value))
}

function writeNode(out: Writer, node: Node): void {
  for (const name of node.inputs) out.text(1, name)
  for (const name of node.outputs) out.text(2, name)
  if (node.name !== '') out.text(3, node.name)
  out.text(4, node.op)
  for (const [name, attribute] of node.attributes) writeAttribute(out, name, attribute)
  if (node.domain !== '') out.text(7, node.domain)
}

function writeAttribute(out: Writer, name: string, attribute: Attribute): void {
  if (attribute.kind === 'raw') return out.bytes(5, attribute.value)
  out.message(5, (inner) => {
    inner.text(1, name)
    switch (attribute.kind) {
      case 'float':
        inner.float(2, attribute.value)
        break
      case 'int':
        inner.integer(3, attribute.value)
        break
      case 'string':
        inner.bytes(4, attribute.value)
        break
      case 'tensor':
        inner.message(5, (tensor) => writeTensor(tensor, attribute.value, null))
        break
      case 'graph':
        inner.message(6, (graph) => writeGraph(graph, attribute.value, null))
        break
      case 'floats':
        for (const value of attribute.value) inner.float(7, value)
        break
      case 'ints':
        for (const value of attribute.value) inner.integer(8, value)
        break
      case 'strings':
        for (const value of attribute.value) inner.bytes(9, value)
    }
    inner.integer(20, attributeTypes[attribute.kind])
  })
}

function writeTensor(out: Writer, tensor: Initializer, external: External): void {
  for (const dim of tensor.shape) out.integer(1, dim)
  out.integer(2, dataTypes.indexOf(tensor.dtype))
  if (tensor.dtype === 'string' && 'inline' in tensor.data) {
    out.raw(tensor.data.inline)
    if (tensor.name !== '') out.text(8, tensor.name)
    return
  }
  if (tensor.name !== '') out.text(8, tensor.name)
  const size = storedBytes(tensor.dtype, tensor.shape)
  if (!size || (tensor.dtype === 'string' && size.elements > 0)) {
    throw new Fault('internal', `Tensor "${tensor.name}" of ${tensor.dtype} [${tensor.shape.join(', ')}] has no size.`)
  }
  if (!external || size.bytes < external.thresholdBytes || size.bytes === 0) return out.weight(9, tensor, size.bytes)
  const { encoded } = external
  const offset = Math.ceil(encoded.externalBytes / alignment) * alignment
  encoded.external.push({ weight: tensor, offset, bytes: size.bytes })
  encoded.externalBytes = offset + size.bytes
  const entry = (key: string, value: string) =>
    out.message(13, (inner) => {
      inner.text(1, key)
      inner.text(2, value)
    })
  entry('location', external.location)
  entry('offset', String(offset))
  entry('length', String(size.bytes))
  out.integer(14, 1)
}

function writeValue(out: Writer, value: ValueInfo): void {
  out.text(1, value.name)
  if (value.type) return out.bytes(2, value.type)
  if (value.dtype === 'undefined') return
  out.message(2, (type) =>
    type.message(1, (tensor) => {
      tensor.integer(1, dataTypes.indexOf(value.dtype))
      if (value.shape) tensor.message(2, (shape) => writeShape(shape, value))
    }),
  )
}

function writeShape(out: Writer, value: ValueInfo): void {
  for (const dim of value.shape ?? []) {
    out.message(1, (inner) => {
      if (typeof dim === 'number') inner.integer(1, dim)
      else if (dim !== null) inner.text(2, dim)
    })
  }
}
