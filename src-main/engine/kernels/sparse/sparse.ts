import type { Arena } from '../arena.ts'
import { packedBytes } from '../bits.ts'
import { openKernel } from '../load.ts'

interface SparseExports {
  compactWords(from: number, mask: number, n: number, to: number): number
  compactBytes(from: number, mask: number, n: number, to: number): number
  expandWords(kept: number, mask: number, n: number, to: number): number
  expandBytes(kept: number, mask: number, n: number, rest: number, to: number): number
  eliasEncode(mask: number, n: number, lowBits: number, low: number, high: number): void
  scaleColumns(x: number, factors: number, rows: number, cols: number): void
  columnEnergies(x: number, rows: number, cols: number, out: number): void
  eliasDecode(low: number, high: number, bits: number, kept: number, n: number, lowBits: number, mask: number): number
}

let opened: Arena<SparseExports> | null = null
const kernel = (): Arena<SparseExports> => (opened ??= openKernel<SparseExports>('sparse'))

/** Values whose mask is 1, in order. Values and mask are of one length. */
export function compactFloats(values: Float32Array, mask: Uint8Array): Float32Array {
  const n = mask.length
  const [from = 0, flags = 0, to = 0] = kernel().lay(n * 4, n, n * 4 + 4)
  kernel().floats(from, n).set(values)
  kernel().bytes(flags, n).set(mask)
  const count = kernel().exports.compactWords(from, flags, n, to)
  return kernel().floats(to, count).slice()
}

export function compactCodes(codes: Uint8Array, mask: Uint8Array): Uint8Array {
  const n = mask.length
  const [from = 0, flags = 0, to = 0] = kernel().lay(n, n, n + 1)
  kernel().bytes(from, n).set(codes)
  kernel().bytes(flags, n).set(mask)
  const count = kernel().exports.compactBytes(from, flags, n, to)
  return kernel().bytes(to, count).slice()
}

/** Kept values at the places where the mask is 1, zeros elsewhere. */
export function expandFloats(kept: Float32Array, mask: Uint8Array): Float32Array {
  const n = mask.length
  const [from = 0, flags = 0, to = 0] = kernel().lay(kept.length * 4 + 4, n, n * 4)
  kernel().floats(from, kept.length).set(kept)
  kernel().bytes(flags, n).set(mask)
  kernel().exports.expandWords(from, flags, n, to)
  return kernel().floats(to, n).slice()
}

/** The same of codes, with `rest` elsewhere. */
export function expandCodes(kept: Uint8Array, mask: Uint8Array, rest: number): Uint8Array {
  const n = mask.length
  const [from = 0, flags = 0, to = 0] = kernel().lay(kept.length + 1, n, n)
  kernel().bytes(from, kept.length).set(kept)
  kernel().bytes(flags, n).set(mask)
  kernel().exports.expandBytes(from, flags, n, rest, to)
  return kernel().bytes(to, n).slice()
}

/** Number of bits of the high part: one an entry, one a whole step of 2^lowBits. */
export const highBits = (n: number, kept: number, lowBits: number): number => kept + Math.ceil(n / 2 ** lowBits)

/** A mask of `kept` ones as Elias and Fano's code: low bits one a byte [kept], high bits as a bit stream. */
export function eliasEncode(mask: Uint8Array, kept: number, lowBits: number): { low: Uint8Array; high: Uint8Array } {
  const n = mask.length
  const bytes = packedBytes(highBits(n, kept, lowBits), 1)
  const [flags = 0, low = 0, high = 0] = kernel().lay(n, kept, bytes)
  kernel().bytes(flags, n).set(mask)
  kernel().bytes(high, bytes).fill(0)
  kernel().exports.eliasEncode(flags, n, lowBits, low, high)
  return { low: kernel().bytes(low, kept).slice(), high: kernel().bytes(high, bytes).slice() }
}

/** The mask again, [n]; null where the code is not one of `kept` places within it. */
export function eliasDecode(low: Uint8Array, high: Uint8Array, n: number, lowBits: number): Uint8Array | null {
  const kept = low.length
  const bits = highBits(n, kept, lowBits)
  const [lows = 0, highs = 0, flags = 0] = kernel().lay(kept, high.length, n)
  kernel().bytes(lows, kept).set(low)
  kernel().bytes(highs, high.length).set(high)
  kernel().bytes(flags, n).fill(0)
  const found = kernel().exports.eliasDecode(lows, highs, Math.min(bits, high.length * 8), kept, n, lowBits, flags)
  return found === kept ? kernel().bytes(flags, n).slice() : null
}

/** x [rows, cols] times a factor for each column, as new memory. */
export function scaledColumns(x: Float32Array, factors: Float32Array): Float32Array {
  const cols = factors.length
  const [at = 0, by = 0] = kernel().lay(x.byteLength, cols * 4)
  kernel().floats(at, x.length).set(x)
  kernel().floats(by, cols).set(factors)
  kernel().exports.scaleColumns(at, by, cols === 0 ? 0 : x.length / cols, cols)
  return kernel().floats(at, x.length).slice()
}

/** Sum of squares of each column of x [rows, cols], in float64. */
export function columnEnergies(x: Float32Array, cols: number): Float64Array {
  const [at = 0, out = 0] = kernel().lay(x.byteLength, cols * 8)
  kernel().floats(at, x.length).set(x)
  kernel().doubles(out, cols).fill(0)
  kernel().exports.columnEnergies(at, cols === 0 ? 0 : x.length / cols, cols, out)
  return kernel().doubles(out, cols).slice()
}
