// One compressed layer on disk, named by the SHA-256 of its bytes: <sha256>.safetensors. The same layer, option and
// versions give the same bytes.
//
//   | 8: u64 header length | JSON header | scales             | codes                    | zeros            |
//                                          F16 or F32           U8                         U8, only if affine
//                                          [rows, groups]       [ceil(rows * cols * b/8)]  [rows, groups]
//                                          [1, 1] per tensor    one bit stream, see        [1, 1] per tensor
//                                                               kernels/bits.ts
//   __metadata__: { "lathe": JSON of `describeSchema` below }
import { createHash } from 'node:crypto'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { optionSchema, type Option } from '../../../src-preload/contract/plan.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { SourceFile } from '../checkpoint/file.ts'
import { readSafetensorsHeader } from '../checkpoint/safetensors-header.ts'
import { encodeSafetensors, type TensorToWrite } from '../checkpoint/safetensors.ts'
import { packBits, packedBytes, unpackBits } from '../kernels/bits.ts'
import { decodeScales, encodeScales } from '../kernels/float16.ts'
import type { QuantizedMatrix } from './types.ts'
import { writeWhole } from './write.ts'

const describeSchema = z.object({
  artifact: z.literal(1),
  layer: z.string(),
  option: optionSchema,
  methodVersion: z.int(),
  rows: z.int().positive(),
  cols: z.int().positive(),
  bits: z.int().min(2).max(8),
  symmetric: z.boolean(),
  granularity: z.enum(['tensor', 'channel', 'group']),
  groupSize: z.int().positive(),
  groups: z.int().positive(),
  scaleType: z.enum(['float16', 'float32']),
})

export interface ArtifactMeta {
  layer: string
  option: Option
  methodVersion: number // of the quantizer
}

/** Writes the layer into `folder`, whole or not at all; one that stands there already is left alone.
 *  Faults 'disk' with the path and the bytes needed. */
export function writeArtifact(
  folder: string,
  q: QuantizedMatrix,
  meta: ArtifactMeta,
): { sha256: string; path: string; bytes: number } {
  const { codes, scales, zeros, ...shape } = q
  const scaleShape = q.granularity === 'tensor' ? [1, 1] : [q.rows, q.groups]
  const packed = packBits(codes, q.bits)
  const tensors: Record<string, TensorToWrite> = {
    scales: { dtype: q.scaleType, shape: scaleShape, data: encodeScales(scales, q.scaleType) },
    codes: { dtype: 'uint8', shape: [packed.length], data: packed },
  }
  if (!q.symmetric) tensors.zeros = { dtype: 'uint8', shape: scaleShape, data: zeros }
  const described = describeSchema.parse({ artifact: 1, ...meta, ...shape })
  const contents = encodeSafetensors(tensors, { lathe: JSON.stringify(described) })
  const sha256 = createHash('sha256').update(contents).digest('hex')
  const path = join(folder, `${sha256}.safetensors`)
  if (!standsAlready(path, sha256, contents.length)) writeWhole(path, contents)
  return { sha256, path, bytes: contents.length }
}

/** The layer as it was written. Faults 'not-found', 'disk', or 'bad-input' when the bytes are not those its name says. */
export function readArtifact(path: string): QuantizedMatrix {
  const bytes = readAll(path)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  if (`${sha256}.safetensors` !== basename(path)) throw damaged(path, `its SHA-256 is ${sha256}`)
  const memory = { path, size: bytes.length, read: (begin: number, end: number) => bytes.slice(begin, end) }
  const { entries, metadata } = readSafetensorsHeader(memory)
  const part = (name: string, length: number) => {
    const entry = entries.find((candidate) => candidate.name === name)
    if (entry?.end !== (entry?.begin ?? NaN) + length) throw damaged(path, `tensor ${name} is not ${length} bytes long`)
    return bytes.subarray(entry.begin, entry.end)
  }
  const described = describeSchema.safeParse(parseJson(metadata.get('lathe') ?? ''))
  if (!described.success) throw damaged(path, `its description is wrong: ${z.prettifyError(described.error)}`)
  const { rows, cols, bits, symmetric, granularity, groupSize, groups, scaleType } = described.data
  if (groups !== Math.ceil(cols / groupSize)) throw damaged(path, `${groups} groups of ${groupSize} in ${cols} columns`)
  const grids = granularity === 'tensor' ? 1 : rows * groups
  const scales = decodeScales(part('scales', grids * (scaleType === 'float16' ? 2 : 4)), scaleType)
  if (!scales.every(Number.isFinite)) throw damaged(path, 'a scale is not finite')
  const zeros = symmetric ? new Uint8Array(grids).fill(2 ** (bits - 1)) : part('zeros', grids).slice()
  if (!zeros.every((zero) => zero < 2 ** bits)) throw damaged(path, `a zero point needs more than ${bits} bits`)
  const codes = unpackBits(part('codes', packedBytes(rows * cols, bits)), bits, rows * cols)
  return { rows, cols, bits, symmetric, granularity, groupSize, groups, scaleType, codes, scales, zeros }
}

function readAll(path: string): Uint8Array<ArrayBuffer> {
  const file = new SourceFile(path)
  try {
    return file.read(0, file.size)
  } finally {
    file.close()
  }
}

function standsAlready(path: string, sha256: string, length: number): boolean {
  try {
    const bytes = readAll(path)
    return bytes.length === length && createHash('sha256').update(bytes).digest('hex') === sha256
  } catch {
    return false
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const damaged = (path: string, why: string): Fault =>
  new Fault('bad-input', `The compressed layer ${path} is damaged: ${why}.`, {
    hint: 'Delete it and run the recipe again.',
    data: { file: path },
  })
