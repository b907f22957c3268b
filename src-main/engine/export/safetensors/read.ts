import { z } from 'zod'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { TensorSource } from '../../checkpoint/network.ts'
import { openSafetensors } from '../../checkpoint/safetensors.ts'
import { packedBytes, unpackBits } from '../../kernels/bits.ts'
import { decodeScales } from '../../kernels/float16.ts'
import type { QuantizedMatrix } from '../../quantize/types.ts'
import { LAYOUT_VERSION, type Part } from './layout.ts'

const size = z.int().positive()
const weightSchema = z.object({
  dtype: z.string(),
  shape: z.array(size).min(1),
  bits: z.int().min(2).max(8),
  groupSize: size,
  order: z.enum(['rows', 'cols']).default('rows'),
})
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
  read(weight: string): QuantizedMatrix
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
      partsOf: (weight) =>
        Object.values(parts)
          .map((end) => weight + end)
          .filter((name) => source.tensors.has(name)),
      read(weight) {
        const description = described.get(weight)
        if (description === undefined) throw damaged(path, `it holds no compressed weight ${weight}`)
        return unpack(path, source, (part) => weight + parts[part], description)
      },
      close: () => source.close(),
    }
  } catch (error) {
    source.close()
    throw error
  }
}

function unpack(path: string, source: TensorSource, nameOf: (part: Part) => string, of: PackedWeight): QuantizedMatrix {
  const { shape, bits, groupSize, order } = of
  const count = shape.reduce((product, length) => product * length, 1)
  const rows = (order === 'rows' ? shape[0] : shape.at(-1)) ?? 1
  const cols = count / rows
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
