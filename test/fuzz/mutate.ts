// Mutants of well-formed inputs. Besides random damage: the numbers that break length and offset arithmetic, in every
// width and byte order a format may use; pieces of other inputs; words of the format; repeated and deeply nested parts.
import type { Random } from './random.ts'

const mostBytes = 1 << 16 // a mutant never grows beyond this: time goes into variety, not into size

type Mutator = (bytes: Uint8Array, random: Random, context: MutationContext) => Uint8Array

export interface MutationContext {
  corpus: readonly Uint8Array[]
  dictionary: readonly Uint8Array[]
}

const interesting = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x1f_ffff_ffff_ffffn, // 2^53 - 1
  0x20_0000_0000_0001n, // 2^53 + 1
  0x4000_0000_0000_0000n,
  0x7fff_ffff_ffff_ffc0n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_ffffn,
]

const join = (...parts: Uint8Array[]): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** `bytes` with [at, at + removed) replaced. */
const replaced = (bytes: Uint8Array, at: number, removed: number, piece: Uint8Array): Uint8Array =>
  join(bytes.subarray(0, at), piece, bytes.subarray(Math.min(bytes.length, at + removed)))

const anyRange = (bytes: Uint8Array, random: Random): [number, number] => {
  const begin = random.below(bytes.length + 1)
  return [begin, Math.min(bytes.length, begin + random.length(4096))]
}

/** A number as `width` bytes of either order, or as a varint. */
function numberBytes(value: bigint, random: Random): Uint8Array {
  const width = random.of([1, 2, 4, 8, 0])
  if (width === 0) {
    const bytes: number[] = []
    for (let rest = value; ; rest >>= 7n) {
      bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0))
      if (rest <= 0x7fn) return Uint8Array.from(bytes)
    }
  }
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value, true)
  const low = bytes.slice(0, width)
  return random.below(4) === 0 ? low.reverse() : low
}

const digits = (byte: number | undefined) => byte !== undefined && byte >= 0x30 && byte <= 0x39
const ascii = new TextEncoder()

const mutators: readonly Mutator[] = [
  // a bit
  (bytes, random) => {
    const at = random.below(bytes.length)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
    return bytes
  },
  // a byte
  (bytes, random) => {
    bytes[random.below(bytes.length)] = random.below(256)
    return bytes
  },
  // a little more or less: off-by-one in lengths and offsets
  (bytes, random) => {
    const at = random.below(bytes.length)
    bytes[at] = (bytes[at] ?? 0) + random.of([-1, 1, -8, 8])
    return bytes
  },
  // a length or offset set to a number that breaks arithmetic
  (bytes, random) => {
    const number = numberBytes(random.of(interesting), random)
    return replaced(bytes, random.below(bytes.length), number.length, number)
  },
  // a number near the input's own length
  (bytes, random) => {
    const number = numberBytes(BigInt(bytes.length + random.below(17)), random)
    return replaced(bytes, random.below(bytes.length), number.length, number)
  },
  // a number written in digits
  (bytes, random) => {
    let at = random.below(bytes.length)
    while (at < bytes.length && !digits(bytes[at])) at++
    if (at === bytes.length) return bytes
    let end = at
    while (digits(bytes[end])) end++
    const text = random.of(['-1', '-0', '1e9', '0.5', '1e999', '"1"', 'null', String(random.of(interesting))])
    return replaced(bytes, at, end - at, ascii.encode(text))
  },
  // cut off
  (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  // a part left out
  (bytes, random) => {
    const [begin, end] = anyRange(bytes, random)
    return replaced(bytes, begin, end - begin, new Uint8Array(0))
  },
  // a part twice, or many times
  (bytes, random) => {
    const [begin, end] = anyRange(bytes, random)
    const times = random.below(8) === 0 ? 1 + random.below(200) : 1
    const piece = bytes.slice(begin, Math.min(end, begin + Math.floor(mostBytes / times)))
    return replaced(bytes, random.below(bytes.length + 1), 0, join(...new Array<Uint8Array>(times).fill(piece)))
  },
  // a part over another
  (bytes, random) => {
    const [begin, end] = anyRange(bytes, random)
    const piece = bytes.slice(begin, end)
    return replaced(bytes, random.below(bytes.length), piece.length, piece)
  },
  // a part of another input, put in or put over
  (bytes, random, { corpus }) => {
    const other = random.of(corpus)
    const [begin, end] = anyRange(other, random)
    const piece = other.subarray(begin, end)
    return replaced(bytes, random.below(bytes.length + 1), random.below(2) * piece.length, piece)
  },
  // the beginning of one and the end of another
  (bytes, random, { corpus }) => {
    const other = random.of(corpus)
    return join(bytes.subarray(0, random.below(bytes.length + 1)), other.subarray(random.below(other.length + 1)))
  },
  // a word of the format, put in or put over
  (bytes, random, { dictionary }) => {
    if (dictionary.length === 0) return bytes
    const word = random.of(dictionary)
    return replaced(bytes, random.below(bytes.length + 1), random.below(2) * word.length, word)
  },
  // a byte many times: nesting, for formats that nest by a byte
  (bytes, random) => {
    const byte = random.below(2) === 0 ? random.below(256) : (bytes[random.below(bytes.length)] ?? 0)
    const run = new Uint8Array(random.length(4096)).fill(byte)
    return replaced(bytes, random.below(bytes.length + 1), 0, run)
  },
  // bytes in a different order
  (bytes, random) => {
    const [begin, end] = anyRange(bytes, random)
    bytes.subarray(begin, end).reverse()
    return bytes
  },
]

/** One to eight mutations of `seed`, which is left as it is. */
export function mutate(seed: Uint8Array, random: Random, context: MutationContext): Uint8Array {
  let bytes: Uint8Array = seed.slice()
  const times = 1 + (random.below(2) === 0 ? 0 : random.below(8))
  for (let time = 0; time < times; time++) {
    if (bytes.length === 0) bytes = random.of(context.corpus).slice()
    // Mutators that cut return views; those that write must never write into an input they share.
    const changed = random.of(mutators)(bytes, random, context)
    bytes = changed.length > mostBytes ? changed.slice(0, mostBytes) : changed
  }
  return bytes.slice()
}
