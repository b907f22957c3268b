// One compressed layer on disk, named by the SHA-256 of its bytes: <sha256>.safetensors. The same layer, option and
// versions give the same bytes.
//
//   | 8: u64 header length | JSON header | scales             | codes                    | zeros            |
//                                          F16 or F32           U8                         U8, only if affine
//                                          [rows, groups]       [ceil(rows * cols * b/8)]  [rows, groups]
//                                          [1, 1] per tensor    one bit stream, see        [1, 1] per tensor
//                                                               kernels/bits.ts
//   __metadata__: { "lathe": JSON of `gridSchema` below }
//
//   | 8: u64 header length | JSON header | blocks |      a layer in blocks of a GGUF type: U8 [rows, bytes of a row]
//   __metadata__: { "lathe": JSON of `blockSchema` below }
//
//   | 8: u64 header length | JSON header | parts |       a layer in a coding of its own (codings/): its parts by name
//   __metadata__: { "lathe": JSON of `codedSchema` below }
import { createHash } from 'node:crypto'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { optionSchema, type Option } from '../../../src-preload/contract/plan.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { SourceFile } from '../checkpoint/file.ts'
import { readSafetensorsHeader, type SafetensorsEntry } from '../checkpoint/safetensors-header.ts'
import { encodeSafetensors, type TensorToWrite } from '../checkpoint/safetensors.ts'
import { packBits, packedBytes, unpackBits } from '../kernels/bits.ts'
import { decodeScales, encodeScales } from '../kernels/float16.ts'
import { type GgmlType, ggmlTypes, rowBytes } from '../kernels/ggml/types.ts'
import type { CodedMatrix, CodedPart } from './codings/define.ts'
import { codingOf } from './codings/registry.ts'
import { type BlockMatrix, type CompressedMatrix, isBlocks, isCoded, type QuantizedMatrix } from './types.ts'
import { writeWhole } from './write.ts'

const gridSchema = z.object({
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

const blockSchema = z.object({
  artifact: z.literal(1),
  layer: z.string(),
  option: optionSchema,
  methodVersion: z.int(),
  rows: z.int().positive(),
  cols: z.int().positive(),
  type: z.enum(Object.keys(ggmlTypes) as GgmlType[]),
})

const codedSchema = z.object({
  artifact: z.literal(1),
  layer: z.string(),
  option: optionSchema,
  methodVersion: z.int(),
  rows: z.int().positive(),
  cols: z.int().positive(),
  coding: z.string(),
  settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
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
  q: CompressedMatrix,
  meta: ArtifactMeta,
): { sha256: string; path: string; bytes: number } {
  const contents = isBlocks(q) ? encodeBlocks(q, meta) : isCoded(q) ? encodeCoded(q, meta) : encodeGrid(q, meta)
  const sha256 = createHash('sha256').update(contents).digest('hex')
  const path = join(folder, `${sha256}.safetensors`)
  if (!standsAlready(path, sha256, contents.length)) writeWhole(path, contents)
  return { sha256, path, bytes: contents.length }
}

function encodeGrid({ codes, scales, zeros, ...shape }: QuantizedMatrix, meta: ArtifactMeta): Uint8Array {
  const scaleShape = shape.granularity === 'tensor' ? [1, 1] : [shape.rows, shape.groups]
  const packed = packBits(codes, shape.bits)
  const tensors: Record<string, TensorToWrite> = {
    scales: { dtype: shape.scaleType, shape: scaleShape, data: encodeScales(scales, shape.scaleType) },
    codes: { dtype: 'uint8', shape: [packed.length], data: packed },
  }
  if (!shape.symmetric) tensors.zeros = { dtype: 'uint8', shape: scaleShape, data: zeros }
  const described = gridSchema.parse({ artifact: 1, ...meta, ...shape })
  return encodeSafetensors(tensors, { lathe: JSON.stringify(described) })
}

function encodeBlocks({ rows, cols, type, blocks }: BlockMatrix, meta: ArtifactMeta): Uint8Array {
  const shape = [rows, blocks.length / rows]
  const described = blockSchema.parse({ artifact: 1, ...meta, rows, cols, type })
  return encodeSafetensors({ blocks: { dtype: 'uint8', shape, data: blocks } }, { lathe: JSON.stringify(described) })
}

function encodeCoded({ parts, ...shape }: CodedMatrix, meta: ArtifactMeta): Uint8Array {
  return encodeSafetensors(parts, { lathe: JSON.stringify(codedSchema.parse({ artifact: 1, ...meta, ...shape })) })
}

/** The layer as it was written. Faults 'not-found', 'disk', or 'bad-input' when the bytes are not those its name says. */
export function readArtifact(path: string): CompressedMatrix {
  const bytes = readAll(path)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  if (`${sha256}.safetensors` !== basename(path)) throw damaged(path, `its SHA-256 is ${sha256}`)
  const memory = { path, size: bytes.length, read: (begin: number, end: number) => bytes.slice(begin, end) }
  const { entries, metadata } = readSafetensorsHeader(memory)
  const part: Part = (name, length) => {
    const entry = entries.find((candidate) => candidate.name === name)
    if (entry?.end !== (entry?.begin ?? NaN) + length) throw damaged(path, `tensor ${name} is not ${length} bytes long`)
    return bytes.subarray(entry.begin, entry.end)
  }
  const described = parseJson(metadata.get('lathe') ?? '')
  if (codedSchema.safeParse(described).success) return readCoded(path, described, bytes, entries)
  return entries.some(({ name }) => name === 'blocks')
    ? readBlocks(path, described, part)
    : readGrid(path, described, part)
}

type Part = (name: string, length: number) => Uint8Array

function readBlocks(path: string, description: unknown, part: Part): BlockMatrix {
  const { rows, cols, type } = described(path, blockSchema, description)
  const width = rowBytes(type, cols)
  if (!Number.isInteger(width)) throw damaged(path, `${cols} columns are no whole ${type} blocks`)
  return { rows, cols, type, blocks: part('blocks', rows * width).slice() }
}

function readCoded(
  path: string,
  description: unknown,
  bytes: Uint8Array,
  entries: readonly SafetensorsEntry[],
): CodedMatrix {
  const { rows, cols, coding, settings } = described(path, codedSchema, description)
  const parts: Record<string, CodedPart> = {}
  for (const { name, dtype, shape, begin, end } of entries)
    parts[name] = { dtype, shape, data: bytes.slice(begin, end) }
  const matrix = { rows, cols, coding, settings, parts }
  const fault = codingOf(matrix).fault(matrix)
  if (fault !== null) throw damaged(path, fault)
  return matrix
}

function readGrid(path: string, description: unknown, part: Part): QuantizedMatrix {
  const shape = described(path, gridSchema, description)
  const { rows, cols, bits, symmetric, granularity, groupSize, groups, scaleType } = shape
  if (groups !== Math.ceil(cols / groupSize)) throw damaged(path, `${groups} groups of ${groupSize} in ${cols} columns`)
  const grids = granularity === 'tensor' ? 1 : rows * groups
  const scales = decodeScales(part('scales', grids * (scaleType === 'float16' ? 2 : 4)), scaleType)
  if (!scales.every(Number.isFinite)) throw damaged(path, 'a scale is not finite')
  const zeros = symmetric ? new Uint8Array(grids).fill(2 ** (bits - 1)) : part('zeros', grids).slice()
  if (!zeros.every((zero) => zero < 2 ** bits)) throw damaged(path, `a zero point needs more than ${bits} bits`)
  const codes = unpackBits(part('codes', packedBytes(rows * cols, bits)), bits, rows * cols)
  return { rows, cols, bits, symmetric, granularity, groupSize, groups, scaleType, codes, scales, zeros }
}

function described<S extends z.ZodType>(path: string, schema: S, description: unknown): z.output<S> {
  const parsed = schema.safeParse(description)
  if (!parsed.success) throw damaged(path, `its description is wrong: ${z.prettifyError(parsed.error)}`)
  return parsed.data
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
