// Weights of a Hugging Face folder: model.safetensors, or shards with an index. A slot is a weight with all tensors that hold
// it. Which shard a slot goes to depends on the network alone, not on what is done to its weights: sizes of options then add
// up, and a plan is exact to the byte.
//
//   shard   | 8: u64 header length | JSON header, blanks | wider types first, then by name |
//   header  fixed part + a share of each slot, in multiples of 8 bytes (safetensors/layout.ts)
import { Buffer } from 'node:buffer'
import type { Network } from '../../checkpoint/network.ts'
import { bitsOf } from '../../graph/ir.ts'
import { type Entry, entryText, headerShare, offsetDigits, roundUp } from '../safetensors/layout.ts'

export interface Slot {
  name: string
  entries: readonly Entry[]
}

/** Where slots lie: their shard by name, and how many shards there are. */
export interface Shards {
  count: number
  of: (slot: string) => number
  name: (shard: number) => string
}

const METADATA = '"__metadata__":{"format":"pt"}'
const FIXED_BYTES = roundUp(8 + Buffer.byteLength(`{${METADATA},}`))

export const bytesOf = (entries: readonly Entry[]): number => entries.reduce((sum, { bytes }) => sum + bytes, 0)

/** Bytes that a slot adds to its shard, header included. */
export const slotBytes = (network: Network, entries: readonly Entry[], digits = offsetDigits(network)): number =>
  headerShare(entries, digits) + bytesOf(entries)

/** Bytes of all shards' headers before any slot. */
export const fixedBytes = (shards: Shards): number => shards.count * FIXED_BYTES

/** Shards of at most `limitBytes`, a larger tensor alone; `sizes` are those of the slots unpacked. */
export function shardsOf(sizes: readonly { name: string; bytes: number }[], limitBytes: number): Shards {
  const shardOf = new Map<string, number>()
  let [shard, filled] = [0, 0]
  for (const { name, bytes } of sizes) {
    if (filled > 0 && filled + bytes > limitBytes) [shard, filled] = [shard + 1, 0]
    shardOf.set(name, shard)
    filled += bytes
  }
  const count = shard + 1
  const padded = (number: number) => String(number).padStart(5, '0')
  return {
    count,
    of: (slot) => shardOf.get(slot) ?? 0,
    name: (index) => (count === 1 ? 'model.safetensors' : `model-${padded(index + 1)}-of-${padded(count)}.safetensors`),
  }
}

/** Tensors of a shard in file order, and its header with blanks to the planned length. */
export function shardOf(
  network: Network,
  slots: readonly Slot[],
): { header: Uint8Array; entries: Entry[]; bytes: number } {
  const digits = offsetDigits(network)
  const headerBytes = FIXED_BYTES + slots.reduce((sum, { entries }) => sum + headerShare(entries, digits), 0)
  const entries = slots
    .flatMap((slot) => slot.entries)
    .sort((a, b) => bitsOf[b.dtype] - bitsOf[a.dtype] || (a.name < b.name ? -1 : 1))
  let at = 0
  const listed = entries.map((entry) => {
    const text = entryText(entry, { begin: at })
    at += entry.bytes
    return text
  })
  const header = Buffer.alloc(headerBytes, ' ')
  header.writeBigUInt64LE(BigInt(headerBytes - 8))
  header.write(`{${[METADATA, ...listed].join(',')}}`, 8)
  return { header, entries, bytes: headerBytes + at }
}

/** model.safetensors.index.json: which shard holds which tensor, and their bytes. */
export function indexOf(slots: readonly Slot[], shards: Shards): object {
  const pairs = slots.flatMap(({ name, entries }) =>
    entries.map((entry): [string, string] => [entry.name, shards.name(shards.of(name))]),
  )
  pairs.sort(([a], [b]) => (a < b ? -1 : 1))
  const total = slots.reduce((sum, { entries }) => sum + bytesOf(entries), 0)
  return { metadata: { total_size: total }, weight_map: Object.fromEntries(pairs) }
}
