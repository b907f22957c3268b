// llama.cpp's imatrix file in its GGUF form (general.type "imatrix"), which its quantizer reads:
//   <tensor>.in_sum2 float32 [experts, columns] sums of squares, <tensor>.counts float32 [experts, 1] rows they are over,
//   imatrix.datasets, imatrix.chunk_count, imatrix.chunk_size
import { encodeHead, padded, type TensorEntry } from '../../export/gguf/container.ts'
import { type MetadataValue, textList } from '../../checkpoint/gguf/metadata.ts'
import type { Measured } from './measure.ts'
import type { Entry } from './names.ts'

export interface ImatrixSource {
  dataset: string
  chunks: number
  chunkSize: number // tokens of a window
}

/** The whole file. Same sums, same bytes. */
export function encodeImatrix(
  entries: readonly Entry[],
  measured: readonly Measured[],
  source: ImatrixSource,
): Uint8Array {
  const byLayer = new Map(measured.map((each) => [each.layer, each]))
  const measuredIn = (part: readonly string[]) => byLayer.get(part.find((name) => byLayer.has(name)) ?? '')
  const known = entries.filter(({ parts }) => parts.every(measuredIn))
  const metadata = new Map<string, MetadataValue>([
    ['general.type', { type: 'string', value: 'imatrix' }],
    ['imatrix.datasets', textList([source.dataset])],
    ['imatrix.chunk_count', { type: 'uint32', value: source.chunks }],
    ['imatrix.chunk_size', { type: 'uint32', value: source.chunkSize }],
  ])
  const tensors: TensorEntry[] = []
  const data: Float32Array[] = []
  let offset = 0
  const add = (name: string, shape: number[], values: Float32Array) => {
    tensors.push({ name, shape, type: 'F32', offset })
    data.push(values)
    offset += padded(values.byteLength)
  }
  for (const { name, parts } of known) {
    const found = parts.map((part) => measuredIn(part) as Measured)
    const columns = found[0]?.sums.length ?? 0
    add(`${name}.in_sum2`, [parts.length, columns], Float32Array.from(found.flatMap(({ sums }) => [...sums])))
    add(
      `${name}.counts`,
      [parts.length, 1],
      Float32Array.from(found, ({ count }) => count),
    )
  }
  const head = encodeHead(metadata, tensors)
  const whole = new Uint8Array(head.length + offset)
  whole.set(head)
  tensors.forEach(({ offset: at }, i) => {
    const values = data[i] as Float32Array
    whole.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), head.length + at)
  })
  return whole
}
