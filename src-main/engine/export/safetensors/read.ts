import { z } from 'zod'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { TensorSource } from '../../checkpoint/network.ts'
import { openSafetensors } from '../../checkpoint/safetensors.ts'
import { packedBytes, unpackBits } from '../../kernels/bits.ts'
import { decodeScales } from '../../kernels/float16.ts'
import type { CodedMatrix, CodedPart } from '../../quantize/codings/define.ts'
import { codingOf } from '../../quantize/codings/registry.ts'
import type { QuantizedMatrix } from '../../quantize/types.ts'
import type { StoredMatrix } from '../onnx/form.ts'
import { codedEnding, LAYOUT_VERSION, type Part, type PartEndings } from './layout.ts'

const size = z.int().positive()
const common = { dtype: z.string(), shape: z.array(size).min(1), order: z.enum(['rows', 'cols']).default('rows') }
const gridSchema = z.object({ ...common, bits: z.int().min(2).max(8), groupSize: size })
const settingsSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
const codedSchema = z.object({ ...common, coding: z.string(), settings: settingsSchema })
const weightSchema = z.union([codedSchema, gridSchema])
const metadataSchema = z.object({
  packed: z.literal(LAYOUT_VERSION),
  source: z.object({ name: z.string(), fingerprint: z.string() }),
  parts: z.object({ codes: z.string(), scales: z.string(), zeros: z.string() }),
  weights: z.record(z.string(), weightSchema),
})
export type PackedWeight = z.infer<typeof weightSchema>

export interface PackedFile {
  source: TensorSource // every tensor of the file, the parts of compressed weights among them
  fingerprint: string // of the checkpoint it was made from
  weights: ReadonlyMap<string, PackedWeight>
  /** Names of the tensors that hold a compressed weight. */
  partsOf(weight: string): string[]
  /** A compressed weight, unpacked. Faults 'bad-input' where its parts do not fit its description. */
  read(weight: string): StoredMatrix
  close(): void
}

/** Opens a packed file (see layout.ts). Faults 'bad-input' where it is none, or damaged. */
export function openPacked(path: string): PackedFile {
  const source = openSafetensors([path])
  try {
    const parsed = metadataSchema.safeParse(parseJson(source.metadata.get('lathe') ?? ''))
    if (!parsed.success) throw damaged(path, `its metadata "lathe" is wrong: ${z.prettifyError(parsed.error)}`)
    const { parts, weights, source: from } = parsed.data
    const described = new Map(Object.entries(weights))
    return {
      source,
      fingerprint: from.fingerprint,
      weights: described,
      partsOf(weight) {
        const description = described.get(weight)
        if (description && 'coding' in description) return [...codedParts(source, weight, parts).values()]
        return Object.values(parts)
          .map((end) => weight + end)
          .filter((name) => source.tensors.has(name))
      },
      read(weight) {
        const description = described.get(weight)
        if (description === undefined) throw damaged(path, `it holds no compressed weight ${weight}`)
        if ('coding' in description) return readCoded(path, source, codedParts(source, weight, parts), description)
        return unpack(path, source, (part) => weight + parts[part], description)
      },
      close: () => source.close(),
    }
  } catch (error) {
    source.close()
    throw error
  }
}

/** Tensors of a coded weight by part. */
function codedParts(source: TensorSource, weight: string, endings: PartEndings): Map<string, string> {
  const start = weight + codedEnding(endings, '')
  const names = [...source.tensors.keys()].filter((name) => name.startsWith(start))
  return new Map(names.map((name) => [name.slice(start.length), name]))
}

function readCoded(
  path: string,
  source: TensorSource,
  names: ReadonlyMap<string, string>,
  { coding, settings, shape, order }: z.infer<typeof codedSchema>,
): CodedMatrix {
  const parts: Record<string, CodedPart> = {}
  for (const [part, name] of names) {
    const info = source.tensors.get(name)
    if (info) parts[part] = { dtype: info.dtype, shape: [...info.shape], data: source.read(name) }
  }
  const matrix = { ...sizeOf(shape, order), coding, settings, parts }
  const fault = codingOf(matrix).fault(matrix)
  if (fault !== null) throw damaged(path, fault)
  return matrix
}

function sizeOf(shape: readonly number[], order: 'rows' | 'cols'): { rows: number; cols: number } {
  const count = shape.reduce((product, length) => product * length, 1)
  const rows = (order === 'rows' ? shape[0] : shape.at(-1)) ?? 1
  return { rows, cols: count / rows }
}

function unpack(
  path: string,
  source: TensorSource,
  nameOf: (part: Part) => string,
  of: z.infer<typeof gridSchema>,
): QuantizedMatrix {
  const { shape, bits, groupSize, order } = of
  const { rows, cols } = sizeOf(shape, order)
  const count = rows * cols
  const groups = Math.ceil(cols / groupSize)
  const take = (part: Part, bytes: number): Uint8Array => {
    const found = source.tensors.get(nameOf(part))
    if (found?.bytes !== bytes) throw damaged(path, `${nameOf(part)} is not ${bytes} bytes long`)
    return source.read(nameOf(part))
  }
  const scaleInfo = source.tensors.get(nameOf('scales'))
  const scaleType = scaleInfo?.dtype
  if (scaleType !== 'float16' && scaleType !== 'float32') throw damaged(path, `${nameOf('scales')} is not F16 or F32`)
  const grids = scaleInfo?.shape.reduce((product, length) => product * length, 1) ?? 0
  if (grids !== 1 && grids !== rows * groups) throw damaged(path, `${nameOf('scales')} holds ${grids} scales`)
  const symmetric = !source.tensors.has(nameOf('zeros'))
  return {
    rows,
    cols,
    bits,
    symmetric,
    granularity: grids < rows * groups ? 'tensor' : groups === 1 ? 'channel' : 'group',
    groupSize,
    groups,
    scaleType,
    codes: unpackBits(take('codes', packedBytes(count, bits)), bits, count),
    scales: decodeScales(take('scales', grids * (scaleType === 'float16' ? 2 : 4)), scaleType),
    zeros: symmetric ? new Uint8Array(grids).fill(2 ** (bits - 1)) : take('zeros', grids),
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
  new Fault('bad-input', `${path} is not a whole packed file: ${why}.`, {
    hint: 'Export it again.',
    data: { file: path },
  })
