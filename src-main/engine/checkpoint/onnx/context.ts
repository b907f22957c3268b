// What the reading of one model collects on its way: tensors left in the file, memory spent, things worth saying.
import type { Initializer } from '../../graph/ir.ts'
import { limits } from './schema.ts'
import { decodeTyped, type TensorRecord } from './tensor.ts'
import type { ByteRange, Wire } from './wire.ts'

export interface Context {
  range: ByteRange
  /** Tensors that stay in the file, by the key that stands in `data.source` until names are settled. */
  records: Map<string, TensorRecord>
  notices: Set<string>
  inlineBytes: number
  nodes: number
  initializers: number
  functions: Set<string> // 'domain:name' of the model's own functions
  /** Bytes of external tensors, once the files are open. */
  external: (record: TensorRecord) => Uint8Array
}

/** Bytes of a tensor, wherever they are. */
export function readRecord(context: Context, record: TensorRecord): Uint8Array {
  const { place } = record
  if (place.kind === 'memory') return place.bytes
  if (place.kind === 'typed') return decodeTyped(context.range, record, place)
  if (place.kind === 'external') return context.external(record)
  return context.range.read(place.begin, place.end)
}

/** Counts memory that the graph itself will hold; faults before too much is spent. */
export function spend(context: Context, bytes: number, wire?: Wire): void {
  context.inlineBytes += bytes
  if (context.inlineBytes <= limits.inlineBytes) return
  const what = `more than ${limits.inlineBytes} bytes of data inside the graph's nodes`
  if (wire) throw wire.fault(what, { code: 'too-large' })
}

/** A tensor as part of the graph, its bytes with it. */
export function inlineTensor(context: Context, record: TensorRecord, wire?: Wire): Initializer {
  spend(context, record.bytes, wire)
  return {
    name: record.name,
    dtype: record.dtype,
    shape: record.shape,
    data: { inline: readRecord(context, record) },
  }
}

/** A tensor as a reference into the file. */
export function deferTensor(context: Context, name: string, record: TensorRecord): Initializer {
  const key = `#${context.records.size}`
  context.records.set(key, { ...record, name })
  return { name, dtype: record.dtype, shape: record.shape, data: { source: key } }
}

const isFloat = (record: TensorRecord) => /^(b?float|complex)/.test(record.dtype)

/** Small integers (axes, shapes) and scalars are part of the graph's meaning and read at once; weights are not. */
export const isSmall = (record: TensorRecord): boolean =>
  record.dtype === 'string' || record.bytes <= 16 || (!isFloat(record) && record.bytes <= 1024)

/** A Constant that stands for a weight: floats that are no scalar, or anything large. */
export const isWeightLike = (record: TensorRecord): boolean =>
  record.dtype !== 'string' && ((isFloat(record) && record.elements > 1) || record.bytes > 4096)
