// Large models as several files, as llama.cpp names and numbers them (tools/gguf-split): <name>-00001-of-00003.gguf. The
// first holds all metadata; each says which it is, of how many files, and how many tensors all of them hold.
import type { Metadata, MetadataValue } from '../../checkpoint/gguf/metadata.ts'
import type { ChosenTensor } from './choose.ts'
import { padded } from './container.ts'

export interface PlannedFile {
  name: string
  metadata: Metadata
  tensors: ChosenTensor[]
}

/** Tensors in order, cut where the next would make a file larger than `splitBytes` of tensor data (0: never). */
export function splitFiles(
  file: string,
  metadata: Metadata,
  chosen: readonly ChosenTensor[],
  splitBytes: number,
): PlannedFile[] {
  const groups: ChosenTensor[][] = [[]]
  let bytes = 0
  for (const tensor of chosen) {
    const last = groups.at(-1) as ChosenTensor[]
    const size = padded(tensor.bytes)
    if (splitBytes > 0 && last.length > 0 && bytes + size > splitBytes) {
      groups.push([tensor])
      bytes = size
    } else {
      last.push(tensor)
      bytes += size
    }
  }
  if (groups.length === 1) return [{ name: file, metadata, tensors: [...chosen] }]
  const digits = (n: number) => String(n).padStart(5, '0')
  const stem = file.replace(/\.gguf$/i, '')
  return groups.map((tensors, index) => ({
    name: `${stem}-${digits(index + 1)}-of-${digits(groups.length)}.gguf`,
    metadata: new Map<string, MetadataValue>([
      ...(index === 0 ? metadata : []),
      ['split.no', { type: 'uint16', value: index }],
      ['split.count', { type: 'uint16', value: groups.length }],
      ['split.tensors.count', { type: 'int32', value: chosen.length }],
    ]),
    tensors,
  }))
}
