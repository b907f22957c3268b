// The roundings themselves, as nodes. All of them compute in float32 what a plain loop would: test/engine/activate
// compares them with one.
import type { Bench } from './bench.ts'
import type { Site } from './sites.ts'

/** Rows of nothing but zeros get this for their largest value, so that 0 / 0 is never asked for. */
export const tiny = 1e-30

export const largestCode = (bits: number): number => 2 ** (bits - 1) - 1

/** Axes that one scale of a token is shared over: the channels of a row; all of an image, whose sums run over its places. */
export function tokenAxes({ image, rank, channelAxis }: Pick<Site, 'image' | 'rank' | 'channelAxis'>): number[] {
  if (!image) return [channelAxis]
  return Array.from({ length: Math.max(0, (rank ?? 0) - 1) }, (_, axis) => axis + 1)
}

/** max |x| over axes, at least `tiny`. */
export const absmax = (bench: Bench, x: string, axes: readonly number[]): string =>
  bench.op('Max', [bench.reduce('ReduceMax', bench.op('Abs', [x]), axes), bench.scalar(tiny)])

export interface Coded {
  codes: string // whole numbers, as floats
  value: string // codes x scale
}

/** round(x / s) s with s = range / (2^(b-1) - 1): symmetric, ties to even. `clips` where |x| may pass the range. */
export function roundSymmetric(bench: Bench, x: string, range: string, bits: number, clips = false): Coded {
  const top = largestCode(bits)
  const scale = bench.op('Div', [range, bench.scalar(top)])
  const whole = bench.op('Round', [bench.op('Div', [x, scale])])
  const codes = clips ? bench.op('Clip', [whole, bench.scalar(-top), bench.scalar(top)]) : whole
  return { codes, value: bench.op('Mul', [codes, scale]) }
}
