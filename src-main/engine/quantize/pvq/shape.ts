import { gainsOf } from '../../kernels/vectors/pvq.ts'
import { levelsOf, MAX_PULSES, pyramidSize } from '../../kernels/vectors/pyramid.ts'
import { lloydLevels } from './levels.ts'

// How the bits of a group are shared between its point and its gain.

/** What the parameters come to. */
export interface GroupShape {
  dims: number
  groupBits: number
  pulses: number
  levels: number // how many gains
}

/** Pulses that fit best, measured by `bestPulses` (test/bench/vectors.ts prints this table): [dims][groupBits]. */
const measured: Record<number, Record<number, number>> = {
  8: { 16: 6, 20: 9, 24: 12, 28: 18, 32: 25 },
  16: { 32: 11, 36: 14, 40: 17, 44: 20, 48: 24, 52: 29, 56: 35, 60: 41, 64: 49 },
}

/** Bits of a group of `dims` weights at about `bits` bits a weight, and its pulses. */
export function groupShape(dims: number, bits: number, pulses?: number): GroupShape {
  const groupBits = Math.max(2, Math.round(bits * dims))
  const chosen = pulses ?? measured[dims]?.[groupBits] ?? bestPulses(dims, groupBits)
  return { dims, groupBits, pulses: chosen, levels: levelsOf(dims, chosen, groupBits) }
}

const SAMPLE = 512
const MOST_LEVELS = 64 // more gains than that are bits the point should have
const found = new Map<string, number>()

/** The pulses with the least error on normal weights, of all that leave room for a gain. Cost: under a second. */
export function bestPulses(dims: number, groupBits: number): number {
  const key = `${dims} ${groupBits}`
  const known = found.get(key)
  if (known !== undefined) return known
  const vectors = normals(SAMPLE * dims)
  let [best, least] = [1, Infinity]
  for (let pulses = 1; pulses <= MAX_PULSES; pulses++) {
    if (pyramidSize(dims, pulses) > 1n << BigInt(groupBits)) break
    const count = levelsOf(dims, pulses, groupBits)
    if (count > MOST_LEVELS && pulses < MAX_PULSES) continue
    const { gains } = gainsOf(vectors, dims, pulses)
    const levels = lloydLevels(gains, count)
    // |w|^2 is the same for all: the projection's energy, less what rounding its length costs.
    const error = gains.reduce((sum, gain) => {
      const off = levels.reduce((near, level) => Math.min(near, Math.abs(level - gain)), Infinity)
      return sum + off * off - gain * gain
    }, 0)
    if (error < least) [best, least] = [pulses, error]
  }
  found.set(key, best)
  return best
}

/** Normal numbers from a fixed seed: Box and Muller over a linear congruential generator. */
function normals(count: number): Float32Array {
  let state = 1
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32
  return Float32Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - next()))
    return radius * Math.cos(2 * Math.PI * next())
  })
}
