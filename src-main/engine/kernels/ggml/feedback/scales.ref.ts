// Plain twin of assembly/shared/feedback/grid.ts: the scales of one block, and trials around them.
import { fromHalfBits, roundEven, roundToHalf, toHalfBits } from '../../float16.ts'
import { type BlockLayout, type LaidOutType, layoutOf } from '../layout.ts'
import { storedScale } from '../symmetric.ref.ts'
import type { Fields } from '../unpack.ref.ts'
import { type FeedbackType, gridOf } from './fields.ts'

const f = Math.fround

/** What a block stores of its scales, as numbers. */
export interface Scales {
  d: number
  m: number // offset, or factor of the mins
  k: number[] // [groups] whole-number scales; 1 where the type has none
  n: number[] // [groups] mins
}

export function scalesOf(layout: BlockLayout, { d, m, scales, mins }: Fields): Scales {
  const signed = (code: number) => (layout.scaleSigned ? (code << 24) >> 24 : code)
  const groups = Array.from({ length: layout.groups }, (_, g) => g)
  return {
    d: layout.dType === 'exponent' ? 2 ** (d - 128) : fromHalfBits(d),
    m: layout.m === undefined ? 0 : fromHalfBits(m),
    k: groups.map((g) => (layout.scale ? signed(scales[g] ?? 0) - layout.scaleZero : 1)),
    n: groups.map((g) => mins[g] ?? 0),
  }
}

export function fieldsOf(layout: BlockLayout, { d, m, k, n }: Scales): Omit<Fields, 'codes'> {
  return {
    d: layout.dType === 'exponent' ? Math.log2(d) + 128 : toHalfBits(d),
    m: layout.m === undefined ? 0 : toHalfBits(m),
    scales: Uint8Array.from(layout.scale ? k : [], (int) => (int + layout.scaleZero) & 0xff),
    mins: Uint8Array.from(layout.min ? n : []),
  }
}

/** The scales with group g's moved. */
export function moved(type: FeedbackType, from: Scales, g: number, [a, b]: [number, number]): Scales {
  const layout = layoutOf(type as LaidOutType)
  const { scaleLow, scaleHigh, minHigh } = gridOf(type)
  const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value))
  const at = (list: number[], value: number) => list.map((old, i) => (i === g ? value : old))
  if (layout.scale)
    return {
      ...from,
      k: at(from.k, clamp((from.k[g] ?? 0) + a, scaleLow, scaleHigh)),
      n: at(from.n, clamp((from.n[g] ?? 0) + b, 0, minHigh)),
    }
  const scaled = f(from.d * f(a))
  if (layout.dType === 'exponent') return scaled < 4e37 && scaled > 2e-38 ? { ...from, d: scaled } : from
  if (a === 1 && b === 0) return from
  return { ...from, d: storedScale(scaled), m: layout.m === undefined ? 0 : roundToHalf(f(from.m + f(from.d * f(b)))) }
}

/** weight = s value + o in group g. */
export function lineOf(layout: BlockLayout, { d, m, k, n }: Scales, g: number): { s: number; o: number } {
  return { s: layout.scale ? f(d * (k[g] ?? 0)) : d, o: layout.min ? -f(m * (n[g] ?? 0)) : m }
}

/** The value of the grid nearest to t, in units of the scale. */
export function snap(type: FeedbackType, t: number): number {
  const { table } = layoutOf(type as LaidOutType)
  const { low, high } = gridOf(type)
  if (!table) return roundEven(Math.min(high, Math.max(low, t)))
  const levels = [...new Set(table)].sort((a, b) => a - b)
  return levels.reduce((best, level, i) => (i > 0 && t > ((levels[i - 1] ?? 0) + level) / 2 ? level : best), low)
}
