// Plain twin of assembly/ggml-encode.ts: one block at a time, the same bytes.
import { roundEven, roundToHalf, toHalfBits } from '../float16.ts'
import { bestLine, codeAt } from './affine.ref.ts'
import { type Effort, effortFor } from './effort.ts'
import type { LaidOutType } from './layout.ts'
import { microReference } from './micro.ref.ts'
import { bestScale, type Grid, inverseOf, nonlinearGrid, storedScale, wholeGrid } from './symmetric.ref.ts'
import { chooseAffine, chooseSymmetric, type Group } from './two-level.ref.ts'
import { type GgmlType, ggmlTypes } from './types.ts'
import { type Fields, packReference } from './unpack.ref.ts'

const f = Math.fround
const bytesOf = (values: number[] | Float32Array) => Uint8Array.from(values, (value) => value & 0xff)
const empty = { m: 0, scales: new Uint8Array(0), mins: new Uint8Array(0) }

type Encoder = (x: Float32Array, h: Float32Array, effort: Effort, weighted: boolean) => Fields

/** One scale a block. */
const oneScale =
  (grid: Grid, stored = storedScale): Encoder =>
  (x, h, { trials, rounds }) => {
    const d = stored(bestScale(x, h, grid, trials.map(f), rounds))
    const inverse = inverseOf(d)
    return { ...empty, d: toHalfBits(d), codes: bytesOf(x.map((value) => grid.code(f(value * inverse)))) }
  }

/** Q8_0 where all weights count alike: the scale that just fits. */
const eight: Encoder = (x, h, effort, weighted) => {
  if (weighted) return oneScale(wholeGrid(-127, 127, 0))(x, h, effort, weighted)
  const d = storedScale(f(Math.max(...x.map(Math.abs)) * f(1 / 127)))
  const codes = x.map((value) => roundEven(Math.min(127, Math.max(-127, f(value * inverseOf(d))))))
  return { ...empty, d: toHalfBits(d), codes: bytesOf(codes) }
}

const oneLine =
  (top: number): Encoder =>
  (x, h, { trials, rounds }) => {
    const line = bestLine(x, h, top, false, trials, rounds)
    const s = storedScale(line.s)
    const b = roundToHalf(f(f(line.sumHX - f(s * line.sumQ)) / line.sumH))
    const inverse = inverseOf(s)
    const codes = bytesOf(x.map((value) => codeAt(value, inverse, -f(b * inverse), top)))
    return { ...empty, d: toHalfBits(s), m: toHalfBits(b), codes }
  }

const groupsOf = (x: Float32Array, h: Float32Array, size: number): Group[] =>
  Array.from({ length: x.length / size }, (_, g) => {
    const range = [g * size, (g + 1) * size] as const
    return { x: x.subarray(...range), h: h.subarray(...range) }
  })

/** `limit`: scales are whole numbers in -limit .. limit - 1, stored with `shift` added. */
const manyScales =
  (grid: Grid, size: number, limit: number, shift: number): Encoder =>
  (x, h, effort) => {
    const { d, ints } = chooseSymmetric(groupsOf(x, h, size), grid, limit, effort)
    const codes = x.map((value, i) => grid.code(f(value * inverseOf(f(d * (ints[Math.floor(i / size)] ?? 0))))))
    return { ...empty, d: toHalfBits(d), scales: bytesOf(ints.map((int) => int + shift)), codes: bytesOf(codes) }
  }

const manyLines =
  (top: number, size: number, limit: number): Encoder =>
  (x, h, effort) => {
    const { d, dmin, ints, mins } = chooseAffine(groupsOf(x, h, size), top, limit, effort)
    const codes = x.map((value, i) => {
      const g = Math.floor(i / size)
      const inverse = inverseOf(f(d * (ints[g] ?? 0)))
      return codeAt(value, inverse, -f(-f(dmin * (mins[g] ?? 0)) * inverse), top)
    })
    const numbers = { scales: bytesOf(ints), mins: bytesOf(mins), codes: bytesOf(codes) }
    return { d: toHalfBits(d), m: toHalfBits(dmin), ...numbers }
  }

/** A row here and one in effort.ts: that is a type. */
const encoders: Partial<Record<LaidOutType, Encoder>> = {
  Q4_0: oneScale(wholeGrid(-8, 7, 8)),
  Q5_0: oneScale(wholeGrid(-16, 15, 16)),
  Q8_0: eight,
  IQ4_NL: oneScale(nonlinearGrid, roundToHalf), // no value is 0, so a scale that is too large by far is worse than none
  TQ2_0: oneScale(wholeGrid(-1, 2, 1)),
  Q4_1: oneLine(15),
  Q5_1: oneLine(31),
  MXFP4: (x, h, { trials }) => ({ ...empty, ...microReference(x, h, trials.length) }),
  Q3_K: manyScales(wholeGrid(-4, 3, 4), 16, 32, 32),
  Q6_K: manyScales(wholeGrid(-32, 31, 32), 16, 128, 0),
  IQ4_XS: manyScales(nonlinearGrid, 32, 32, 32),
  Q2_K: manyLines(3, 16, 15),
  Q4_K: manyLines(15, 32, 63),
  Q5_K: manyLines(31, 32, 63),
}

const bitsOf = (x: number) => new Uint32Array(Float32Array.of(x).buffer)[0] ?? 0
const floats: Partial<Record<GgmlType, (x: Float32Array) => Uint8Array>> = {
  F32: (x) => new Uint8Array(x.slice().buffer),
  F16: (x) => new Uint8Array(Uint16Array.from(x, (value) => toHalfBits(roundToHalf(value))).buffer),
  BF16: (x) => {
    const rounded = Uint16Array.from(x, (value) => (bitsOf(value) + 0x7fff + ((bitsOf(value) >>> 16) & 1)) >>> 16)
    return new Uint8Array(rounded.buffer)
  },
}

/** Blocks of one row; `importance` as ggml/importance.ts makes it. */
export function encodeReference(type: GgmlType, x: Float32Array, importance: Float32Array | null): Uint8Array {
  const asFloats = floats[type]
  if (asFloats) return asFloats(x)
  const { blockSize, blockBytes } = ggmlTypes[type]
  const encoder = encoders[type as LaidOutType]
  if (encoder === undefined) throw new Error(`${type} has no plain encoder here`)
  const effort = effortFor(type, importance !== null)
  const out = new Uint8Array((x.length / blockSize) * blockBytes)
  for (let b = 0; b * blockSize < x.length; b++) {
    const range = [b * blockSize, (b + 1) * blockSize] as const
    const h = importance?.subarray(...range) ?? new Float32Array(blockSize).fill(1)
    const fields = encoder(x.subarray(...range), h, effort, importance !== null)
    out.set(packReference(type as LaidOutType, fields), b * blockBytes)
  }
  return out
}
