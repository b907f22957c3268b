// Codes of blocks by themselves, scales left where they are.
import type { Arena } from '../../arena.ts'
import type { FeedbackExports } from '../../block-feedback-job.ts'
import { openKernel } from '../../load.ts'
import { bookWords, type FeedbackType, fieldSettings, isBookType } from './fields.ts'

const kernels = new Map<string, Arena<FeedbackExports>>()

/** What stands for each weight. Grid types: its value in units of its group's scale, int8, [blocks, blockSize]. Code-book
 *  types: for each block its words (uint16, 64 places of which the type uses 32 or 64), then the signs (int8, 1 or -1). */
export function unpackCodes(type: FeedbackType, blocks: Uint8Array): Uint8Array {
  const { blockBytes } = fieldSettings(type)
  const values = new Uint8Array((blocks.length / blockBytes) * valueBytes(type))
  inPieces(type, blocks, values, false)
  return values
}

/** The blocks with these codes in them, their scales unchanged. */
export function repackCodes(type: FeedbackType, blocks: Uint8Array, values: Uint8Array): Uint8Array {
  const out = blocks.slice()
  inPieces(type, out, values, true)
  return out
}

const valueBytes = (type: FeedbackType): number => (isBookType(type) ? 128 + 256 : fieldSettings(type).blockSize)

const PIECE = 1024 // blocks

function inPieces(type: FeedbackType, blocks: Uint8Array, values: Uint8Array, back: boolean): void {
  const { kernel: name, blockBytes, blockSize, bytes } = fieldSettings(type)
  const kernel = kernels.get(name) ?? openKernel<FeedbackExports>(name)
  kernels.set(name, kernel)
  const each = valueBytes(type)
  const scratchBytes = kernel.exports.scratchBytes(isBookType(type) ? bookWords(type) : blockSize)
  for (let first = 0; first * blockBytes < blocks.length; first += PIECE) {
    const part = blocks.subarray(first * blockBytes, (first + PIECE) * blockBytes)
    const count = part.length / blockBytes
    const valuePart = values.subarray(first * each, (first + count) * each)
    const [a = 0, b = 0, v = 0, scratch = 0] = kernel.lay(bytes.length, part.length, count * each, scratchBytes)
    kernel.bytes(a, bytes.length).set(bytes)
    kernel.bytes(b, part.length).set(part)
    if (back) kernel.bytes(v, count * each).set(valuePart)
    kernel.exports.codes(a, b, v, count, blockBytes, scratch, Number(back))
    if (back) part.set(kernel.bytes(b, part.length))
    else valuePart.set(kernel.bytes(v, count * each))
  }
}
