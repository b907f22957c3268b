// One safetensors file of a compressed checkpoint. A compressed weight `w` is stored as its parts, every other tensor
// under its own name, byte for byte:
//
//   | 8: u64 header length | JSON header, blanks | wider types first, then by name                                  |
//
//   w.codes    U8          [ceil(rows * cols * bits / 8)]   one bit stream over the matrix, row after row:
//
//                bits = 3      byte 0          byte 1
//                          7 6 5 4 3 2 1 0   7 6 5 4 3 2 1 0     code i takes bits [3 i, 3 i + 3) of the stream,
//                          c2  c1    c0      c5 c4    c3  c2     the lowest bit of a byte first
//
//   w.scales   F16 or F32  [rows, groups], [1, 1] where the whole tensor shares one; groups = ceil(cols / groupSize)
//   w.zeros    U8          as scales; absent where every zero point is 2^(bits - 1)
//
//   w[r, c] = (code[r, c] - zero[r, g]) * scale[r, g]       g = floor(c / groupSize)
//
//   A weight in a coding (quantize/codings/) is stored as the coding's own parts, w.<part>, whatever their types.
//
//   __metadata__: what the checkpoint's own files said, and
//     "lathe.layout"  the above in words
//     "lathe"         { "packed": 1, "source": { name, fingerprint }, "parts": the three endings,
//                       "weights": { w: { dtype, shape, bits, groupSize, order only where "cols" },
//                                   in a coding: { dtype, shape, coding, settings, order only where "cols" } } }
//
// The header's length does not depend on where tensors come to lie (offsets count as the most digits they may take, and
// each weight's share is a multiple of 8 bytes): sizes of weights add up, so that a plan is exact to the byte.
import { Buffer } from 'node:buffer'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Layer, Network, TensorInfo } from '../../checkpoint/network.ts'
import type { SafetensorsSource } from '../../checkpoint/safetensors.ts'
import { safetensorsTypes } from '../../checkpoint/safetensors-header.ts'
import { bitsOf, type DataType } from '../../graph/ir.ts'
import { packedBytes } from '../../kernels/bits.ts'
import { isCodedForm, type StoredForm, type WeightForm } from '../onnx/form.ts'

export const LAYOUT_VERSION = 1

const LAYOUT_WORDS =
  'A weight w listed under "lathe": weights is stored as w.codes, w.scales and, unless all zero points are ' +
  '2^(bits-1), w.zeros (endings as in "parts"). Its matrix is [rows, cols]: rows = shape[0], or the last of two ' +
  'dimensions where order is "cols" (the tensor is then the transpose). w.codes is one little-endian bit stream, row ' +
  'after row: code i takes bits [i*bits, (i+1)*bits), lowest bit of a byte first. With g = floor(c / groupSize), ' +
  'w[r,c] = (code[r,c] - zero[r,g]) * scale[r,g]; scales of shape [1,1] hold for the whole tensor. A weight with ' +
  '"coding" is stored as w.<part> for the parts of that coding of Lathe. Every other tensor is as it was.'

export type Part = 'codes' | 'scales' | 'zeros'
export type PartEndings = Record<Part, string>

/** A tensor as the header lists it. */
export interface Entry {
  name: string
  dtype: DataType
  shape: readonly number[]
  bytes: number
}

const typeNames = new Map([...safetensorsTypes].map(([name, dtype]) => [dtype, name]))

export function typeNameOf(dtype: DataType): string {
  const name = typeNames.get(dtype)
  if (name === undefined) throw new Fault('unsupported', `safetensors has no type ${dtype}.`)
  return name
}

/** Weights this format can compress: those so marked that are tensors of the checkpoint. */
export const slotsOf = (network: Network): Layer[] =>
  network.layers.filter(({ name, compressible }) => compressible && network.source.tensors.has(name))

/** Endings that give no name the checkpoint has already. */
export function endingsOf(network: Network): PartEndings {
  const { tensors } = network.source
  for (let attempt = 0; ; attempt++) {
    const stem = attempt === 0 ? '.' : `.lathe${attempt}.`
    const endings = { codes: `${stem}codes`, scales: `${stem}scales`, zeros: `${stem}zeros` }
    const starts = slotsOf(network).map(({ name }) => name + stem)
    const near = [...tensors.keys()].filter((name) => name.includes(stem)) // cheaper than every tensor with every weight
    if (!near.some((name) => starts.some((start) => name.startsWith(start)))) return endings
  }
}

/** The ending of a coding's part. */
export const codedEnding = ({ codes }: PartEndings, part: string): string => codes.slice(0, -'codes'.length) + part

/** The tensors that hold a weight of this form. */
export function partsOf(name: string, form: StoredForm, endings: PartEndings): (Entry & { part: string })[] {
  if (!isCodedForm(form)) return gridParts(name, form, endings)
  return Object.entries(form.parts).map(([part, { dtype, shape }]) => ({
    ...{ name: name + codedEnding(endings, part), part, dtype, shape },
    bytes: Math.ceil(shape.reduce((product, size) => product * size, bitsOf[dtype]) / 8),
  }))
}

function gridParts(name: string, form: WeightForm, endings: PartEndings): (Entry & { part: Part })[] {
  const { rows, cols, bits, groups, symmetric, granularity, scaleType } = form
  const shape = granularity === 'tensor' ? [1, 1] : [rows, groups]
  const grids = granularity === 'tensor' ? 1 : rows * groups
  const packed = packedBytes(rows * cols, bits)
  const entry = (part: Part, dtype: DataType, of: readonly number[], bytes: number) => ({
    name: name + endings[part],
    part,
    dtype,
    shape: of,
    bytes,
  })
  return [
    entry('scales', scaleType, shape, grids * (scaleType === 'float16' ? 2 : 4)),
    entry('codes', 'uint8', [packed], packed),
    ...(symmetric ? [] : [entry('zeros', 'uint8', shape, grids)]),
  ]
}

/** What the metadata says of a compressed weight, as one member of a JSON object. */
export function describeWeight(layer: Layer, tensor: TensorInfo, form: StoredForm): string {
  const description = {
    dtype: typeNameOf(tensor.dtype),
    shape: tensor.shape,
    ...(isCodedForm(form) ? { coding: form.coding, settings: form.settings } : { bits: form.bits, groupSize: form.groupSize }), // prettier-ignore
    ...(layer.order === 'cols' ? { order: 'cols' } : {}),
  }
  return `${JSON.stringify(layer.name)}:${JSON.stringify(description)}`
}

/** The whole `__metadata__` member of the header. */
export function metadataText(network: Network, endings: PartEndings, weights: readonly string[]): string {
  const { name, fingerprint } = network
  const source = JSON.stringify({ name, fingerprint })
  const lathe = `{"packed":${LAYOUT_VERSION},"source":${source},"parts":${JSON.stringify(endings)},"weights":{${weights.join(',')}}}`
  const own: [string, string][] = [
    ['lathe', lathe],
    ['lathe.layout', LAYOUT_WORDS],
  ]
  const pairs = [...ownMetadata(network), ...own].map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`)
  return `"__metadata__":{${pairs.join(',')}}`
}

/** What the checkpoint's files say about themselves. Faults where they are packed already. */
function ownMetadata({ source, path }: Network): [string, string][] {
  const { metadata } = source as Partial<SafetensorsSource>
  if (metadata?.has('lathe')) {
    throw new Fault('unsupported', `${path} is a packed file of Lathe: it cannot be packed again.`, {
      hint: 'Open the checkpoint it was made from.',
      data: { file: path },
    })
  }
  return [...(metadata ?? [])]
}

/** A tensor's member of the header; `begin` null: as many digits as any offset of this network may take. */
export function entryText(entry: Entry, place: { begin: number } | { digits: number }): string {
  const offsets =
    'begin' in place
      ? `${place.begin},${place.begin + entry.bytes}`
      : `${'9'.repeat(place.digits)},${'9'.repeat(place.digits)}`
  return `${JSON.stringify(entry.name)}:{"dtype":"${typeNameOf(entry.dtype)}","shape":[${entry.shape.join(',')}],"data_offsets":[${offsets}]}`
}

/** Digits of the largest offset an export of this network can hold: a weight takes 8 times its bytes at most (one byte of
 *  code, four of scale and one of zero point where a byte was). */
export const offsetDigits = (network: Network): number => {
  let bytes = 1
  for (const tensor of network.source.tensors.values()) bytes += 8 * tensor.bytes
  return String(bytes).length
}

/** Bytes of the header that belong to these tensors and, where they are a compressed weight's, to its description. */
export function headerShare(entries: readonly Entry[], digits: number, description: string | null = null): number {
  const listed = entries.reduce((sum, entry) => sum + Buffer.byteLength(entryText(entry, { digits })) + 1, 0)
  const described = description === null ? 0 : Buffer.byteLength(JSON.stringify(description)) - 2 + 1
  return roundUp(listed + described)
}

/** Bytes of the header that every export of this network holds. */
export const fixedHeader = (network: Network, endings: PartEndings): number =>
  roundUp(8 + Buffer.byteLength(`{${metadataText(network, endings, [])},}`))

export const roundUp = (bytes: number): number => Math.ceil(bytes / 8) * 8
