// One file: its head, then tensor after tensor, padded.
import { placeTensors } from './choose.ts'
import { encodeHead, padded } from './container.ts'
import { type Contents, tensorContent } from './content.ts'
import type { PlannedFile } from './split.ts'
import { openWriter } from './writer.ts'

export interface Head {
  head: Uint8Array
  bytes: number // of the whole file
}

export function headOf({ metadata, tensors }: PlannedFile): Head {
  const { offsets, end } = placeTensors(tensors)
  const entries = tensors.map(({ tensor: { name, shape }, type }, i) => ({
    name,
    shape,
    type,
    offset: offsets[i] ?? 0,
  }))
  const head = encodeHead(metadata, entries)
  return { head, bytes: head.length + end }
}

/** Writes one file whole; synced before it returns. */
export function writeFile(
  path: string,
  { tensors }: PlannedFile,
  head: Uint8Array,
  bytes: number,
  contents: Contents,
  progress: (sent: number, step: string) => void,
): { bytes: number; sha256: string } {
  const writer = openWriter(path, bytes)
  try {
    let sent = 0
    const send = (chunk: Uint8Array): void => {
      writer.write(chunk)
      sent += chunk.length
    }
    send(head)
    for (const chosen of tensors) {
      for (const chunk of tensorContent(chosen, contents)) {
        send(chunk)
        progress(sent, chosen.tensor.name)
      }
      send(new Uint8Array(padded(chosen.bytes) - chosen.bytes))
    }
    return writer.finish()
  } catch (error) {
    writer.abandon()
    throw error
  }
}
