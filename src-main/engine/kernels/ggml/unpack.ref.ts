// Plain twins of the packing: a block's bytes to its fields and back, one bit piece at a time.
import { type BlockLayout, type LaidOutType, layoutOf, type Piece } from './layout.ts'
import { ggmlTypes } from './types.ts'

/** The fields of one block as they stand in it. */
export interface Fields {
  d: number // bits: float16, float32 or an exponent
  m: number // float16 bits; 0 where the type has none
  scales: Uint8Array // [groups] where the type has them
  mins: Uint8Array
  codes: Uint8Array // [blockSize]
}

const gather = (block: Uint8Array, pieces: readonly Piece[]): number => {
  let [value, at] = [0, 0]
  for (const [byte, shift, width] of pieces) {
    value |= (((block[byte] ?? 0) >> shift) & ((1 << width) - 1)) << at
    at += width
  }
  return value
}

const scatter = (block: Uint8Array, pieces: readonly Piece[], value: number): void => {
  for (const [byte, shift, width] of pieces) {
    block[byte] = (block[byte] ?? 0) | ((value & ((1 << width) - 1)) << shift)
    value >>= width
  }
}

const whole = (byte: number, bytes: number): Piece[] => Array.from({ length: bytes }, (_, i): Piece => [byte + i, 0, 8])
const widthOf = { float16: 2, float32: 4, exponent: 1 } as const
const dPieces = (layout: BlockLayout) => whole(layout.d, widthOf[layout.dType])

export function unpackReference(type: LaidOutType, block: Uint8Array): Fields {
  const layout = layoutOf(type)
  const each = (count: number, pieces: ((i: number) => Piece[]) | undefined) =>
    Uint8Array.from({ length: pieces ? count : 0 }, (_, i) => gather(block, pieces?.(i) ?? []))
  return {
    d: gather(block, dPieces(layout)) >>> 0,
    m: layout.m === undefined ? 0 : gather(block, whole(layout.m, 2)),
    scales: each(layout.groups, layout.scale),
    mins: each(layout.groups, layout.min),
    codes: each(ggmlTypes[type].blockSize, layout.code),
  }
}

export function packReference(type: LaidOutType, fields: Fields): Uint8Array {
  const layout = layoutOf(type)
  const block = new Uint8Array(ggmlTypes[type].blockBytes)
  scatter(block, dPieces(layout), fields.d)
  if (layout.m !== undefined) scatter(block, whole(layout.m, 2), fields.m)
  fields.scales.forEach((scale, g) => scatter(block, layout.scale?.(g) ?? [], scale))
  fields.mins.forEach((min, g) => scatter(block, layout.min?.(g) ?? [], min))
  fields.codes.forEach((code, i) => scatter(block, layout.code(i), code))
  return block
}

/** TQ1_0: byte b holds five trits t as ceil(256 * 0.t0t1t2t3t4 base 3); the last four bytes hold four. Values are -1, 0, 1. */
export function unpackTrits(block: Uint8Array): Int8Array {
  const values = new Int8Array(256)
  let at = 0
  for (const [first, count, trits] of [
    [0, 32, 5],
    [32, 16, 5],
    [48, 4, 4],
  ] as const)
    for (let t = 0; t < trits; t++)
      for (let j = 0; j < count; j++) values[at++] = (((((block[first + j] ?? 0) * 3 ** t) & 0xff) * 3) >> 8) - 1
  return values
}
