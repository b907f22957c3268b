import { storedScale } from './candidates.ts'
import { roundEven } from './float16.ts'
import { boundsOf, type LevelSet, type LevelSettings } from './levels-job.ts'

/** Plain twin of assembly/levels.ts. The lanes of the sums are spelled out, so both give the same bits. */
const f = Math.fround
const exponentOf = (x: number) => Math.floor(Math.log2(x))
const clamp = (x: number, low: number, high: number) => Math.min(high, Math.max(low, x))

/** Nearest number of a small float, ties to even; saturates. */
export function nearestFloat(x: number, mantissa: number, minExponent: number, top: number): number {
  const size = Math.min(Math.abs(x), top)
  const unit = 2 ** (Math.max(minExponent, exponentOf(size)) - mantissa)
  return Math.sign(x) * Math.min(top, roundEven(size / unit) * unit)
}

export function nearestLevel(x: number, set: LevelSet): number {
  if (set.kind === 'float') return nearestFloat(x, set.mantissa, set.minExponent, set.top)
  return f(set.levels[boundsOf(set.levels).filter((bound) => x > bound).length] as number)
}

export const topOf = (set: LevelSet) => (set.kind === 'float' ? set.top : f(Math.max(...set.levels.map(Math.abs))))

function stored(scale: number, { scale: kind, divisor }: LevelSettings): number {
  const size = Math.abs(scale)
  if (kind === 'float16' || kind === 'float32') return storedScale(scale, kind)
  if (kind === 'float8e4m3fn') return f(nearestFloat(clamp(f(size * divisor), 2 ** -9, 448), 3, -6, 448) / divisor)
  const exponent = exponentOf(size)
  const nearest = exponent + (size / 2 ** exponent >= 1 + 0x3504f3 / 2 ** 23 ? 1 : 0)
  return Math.sign(scale) * 2 ** (kind === 'float8e8m0' ? clamp(nearest, -126, 127) : clamp(nearest, -24, 15))
}

/** sum h v(x, level) in 4 float64 lanes. */
function sum(x: Float32Array, h: Float32Array, scale: number, set: LevelSet, v: (x: number, l: number) => number) {
  const lanes = [0, 0, 0, 0]
  x.forEach(
    (value, i) => (lanes[i % 4] = (lanes[i % 4] ?? 0) + (h[i] ?? 0) * v(value, nearestLevel(f(value / scale), set))),
  )
  return (lanes[0] ?? 0) + (lanes[1] ?? 0) + ((lanes[2] ?? 0) + (lanes[3] ?? 0))
}

/** The scale of a group; 0 for zeros. */
export function scaleReference(x: Float32Array, h: Float32Array, settings: LevelSettings): number {
  const { set, scale: kind, factors, rounds } = settings
  const error = (s: number) => sum(x, h, s, set, (value, level) => f(value - f(s * level)) ** 2)
  const [most, top] = [x.reduce((large, value) => Math.max(large, Math.abs(value)), 0), topOf(set)]
  if (most === 0) return 0
  const isPower = kind === 'power-of-two' || kind === 'float8e8m0'
  const plain = isPower ? 2 ** clamp(exponentOf(most) - exponentOf(top), -126, 127) : f(most / top)
  const tried = factors.map((factor) => stored(f(plain * f(factor)), settings))
  let best = stored(plain, settings)
  for (const s of tried) if (error(s) < error(best)) best = s
  for (let round = 0; round < (factors.length > 0 ? rounds : 0); round++) {
    const squares = sum(x, h, best, set, (_, level) => level * level)
    if (squares === 0) break
    const next = stored(f(sum(x, h, best, set, (value, level) => value * level) / squares), settings)
    if (next === best || !(error(next) < error(best))) break
    best = next
  }
  return best
}
