// The bytes of every tensor of the file: copied, converted, encoded on the way, or out of artifacts.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { fromFloat32, toFloat32 } from '../../checkpoint/convert.ts'
import type { Network, TensorInfo } from '../../checkpoint/network.ts'
import { readMatrix } from '../../checkpoint/weights.ts'
import { bitsOf, type DataType } from '../../graph/ir.ts'
import { decodeBlocks } from '../../kernels/ggml/decode.ts'
import { encodeStream, type SourceType } from '../../kernels/ggml/encode.ts'
import { sharedBytes } from '../../kernels/pool.ts'
import { type GgmlType, rowBytes } from '../../kernels/ggml/types.ts'
import type { Artifact } from '../../protocol.ts'
import { readArtifact } from '../../quantize/artifact.ts'
import { isBlocks, isCoded } from '../../quantize/types.ts'
import { contextFor } from '../../quantize/weighted.ts'
import { codedBlocks } from '../codings/gguf.ts'
import type { Importance } from '../define.ts'
import type { ChosenPart, ChosenTensor } from './choose.ts'
import { packGrid } from './grid.ts'
import { CHUNK_BYTES, type ReadRows, rowsInOrder } from './rows.ts'
import { floatTypes, isFloat } from './types.ts'

export interface Contents {
  network: Network
  importance: Importance | null
}

/** Pieces of the checkpoint are read here, in turn: one is encoded while the next is read. */
const scratch: Uint8Array[] = [new Uint8Array(0), new Uint8Array(0)]
let turn = 0

const asBytes = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

/** A tensor's bytes without padding, piece by piece. An array is valid until the next is asked for. */
export function* tensorContent(chosen: ChosenTensor, contents: Contents): Generator<Uint8Array> {
  const { tensor, type, parts } = chosen
  if (tensor.table) yield asBytes(tensor.table)
  for (const part of parts) yield* partContent(chosen, part, type, contents)
}

function* partContent(
  { tensor }: ChosenTensor,
  chosen: ChosenPart,
  type: GgmlType,
  { network, importance }: Contents,
): Generator<Uint8Array> {
  const { cols } = tensor
  const { part, artifact, option } = chosen
  const { info, layer } = part
  const asAsked = chosen.type === type
  if (artifact && asAsked) {
    const blocks = artifactBlocks(artifact, part, { type, cols })
    const width = rowBytes(type, cols)
    yield* rowsInOrder(part, width, (begin, end) => blocks.subarray(begin * width, end * width))
    return
  }
  if (!option && asAsked && !isFloat(type)) {
    // Packed in the source already, in this type.
    const width = rowBytes(type, cols)
    yield* rowsInOrder(part, width, (begin, end) =>
      storedRows(network, info, { begin: begin * width, end: end * width }),
    )
    return
  }
  const source = sourceOf(network, tensor, chosen)
  const raw = rowsInOrder(part, (cols * bitsOf[source.dtype]) / 8, source.read)
  if (isFloat(type)) {
    for (const bytes of raw) yield toFloatType(bytes, source.dtype, floatTypes[type], tensor.plus, info)
    return
  }
  const weights = layer && option && !artifact ? contextFor(layer, option, importance).importance : undefined
  yield* encodeStream(type, source.dtype, cols, raw, { importance: weights, layer: info.name })
}

/** The blocks of an artifact, grids packed. Faults 'bad-input' where it is another layer's. */
export function artifactBlocks(
  { path }: Artifact,
  { info: { name }, rows }: ChosenPart['part'],
  shape: { type: GgmlType; cols: number },
): Uint8Array {
  const found = readArtifact(path)
  const matrix = isBlocks(found) ? found : isCoded(found) ? codedBlocks(found) : packGrid(found, name)
  if (matrix === null) throw noPlace(name, isCoded(found) ? found.coding : '')
  const wanted = { ...shape, rows }
  for (const field of ['type', 'rows', 'cols'] as const) {
    if (matrix[field] !== wanted[field])
      throw new Fault('bad-input', `${path} does not belong to layer ${name}.`, {
        hint: 'Run the recipe again.',
        data: { file: path, tensor: name, expected: `${field} ${wanted[field]}`, found: `${matrix[field]}` },
      })
  }
  return matrix.blocks
}

const noPlace = (name: string, coding: string): Fault =>
  new Fault('unsupported', `${name} is coded as ${coding}, which a GGUF file cannot hold.`, {
    hint: 'Plan again for this format.',
    data: { tensor: name, found: coding },
  })

function storedRows(network: Network, info: TensorInfo, range: { begin: number; end: number }): Uint8Array {
  const bytes = network.source.readStored?.(info.name, range)
  if (bytes) return bytes
  throw new Fault('unsupported', `${info.name} is packed as ${info.stored?.type ?? 'nothing'} and cannot be copied.`, {
    hint: 'Choose a type to convert it to.',
    data: { file: info.file, tensor: info.name },
  })
}

/** Rows of the part before they get the tensor's type: the checkpoint's, or an artifact's that is to become wider. */
export function sourceOf(network: Network, tensor: ChosenTensor['tensor'], { part, artifact, type }: ChosenPart) {
  if (!artifact) return weightSource(network, tensor, part)
  const blocks = artifactBlocks(artifact, part, { type, cols: tensor.cols })
  const width = rowBytes(type, tensor.cols)
  const read: ReadRows = (begin, end) => asBytes(decodeBlocks(type, blocks.subarray(begin * width, end * width)))
  return { dtype: 'float32' as const, read }
}

/** Rows of the part as the checkpoint's own elements, of a type the encoder takes. */
function weightSource(
  network: Network,
  { cols, transposed, skip }: ChosenTensor['tensor'],
  { info, layer }: ChosenPart['part'],
): { dtype: SourceType; read: ReadRows } {
  if (transposed) {
    if (layer?.order !== 'cols') throw new Fault('internal', `${info.name} does not lie in columns.`)
    const { data } = readMatrix(network, layer)
    return { dtype: 'float32', read: (begin, end) => asBytes(data.subarray(begin * cols, end * cols)) }
  }
  const width = (cols * bitsOf[info.dtype]) / 8
  const raw: ReadRows = (begin, end) => {
    const [from, to] = [(begin + skip) * width, (end + skip) * width]
    if (!network.source.readInto) return network.source.read(info.name, { begin: from, end: to })
    turn = 1 - turn
    let bytes = scratch[turn] as Uint8Array
    if (bytes.length < to - from) bytes = scratch[turn] = sharedBytes(Math.max(to - from, CHUNK_BYTES))
    bytes = bytes.subarray(0, to - from)
    network.source.readInto(info.name, from, bytes)
    return bytes
  }
  const { dtype } = info
  if (dtype === 'float32' || dtype === 'float16' || dtype === 'bfloat16') return { dtype, read: raw }
  return { dtype: 'float32', read: (begin, end) => asBytes(toFloat32(raw(begin, end), dtype)) }
}

function toFloatType(bytes: Uint8Array, from: DataType, to: DataType, plus: number, { name }: TensorInfo): Uint8Array {
  if (from === to && plus === 0) return bytes
  let values = toFloat32(bytes, from)
  if (plus !== 0) values = values.map((value) => value + plus)
  const out = fromFloat32(values, to)
  if (to === 'float16') checkRange(values, out, name)
  return out
}

/** float16 ends at 65504: what lies beyond would become infinite. */
function checkRange(values: Float32Array, halves: Uint8Array, name: string): void {
  const bits = new Uint16Array(halves.buffer, halves.byteOffset, values.length)
  const lost = bits.findIndex((half, i) => (half & 0x7fff) === 0x7c00 && Number.isFinite(values[i]))
  if (lost < 0) return
  throw new Fault('bad-input', `${name}: weight ${lost} is ${values[lost]}, which F16 cannot hold.`, {
    hint: 'Use BF16 or F32.',
    data: { tensor: name, expected: 'at most 65504', found: String(values[lost]), offset: lost },
  })
}
