import { levelsOf, MAX_PULSES, pyramidSize } from '../../kernels/vectors/pyramid.ts'

// How the bits of a group are shared between its point and its gain.

/** What the parameters come to. */
export interface GroupShape {
  dims: number
  groupBits: number
  pulses: number
  levels: number // how many gains
}

const LEVELS = 2.2

/** Bits of a group of `dims` weights at about `bits` bits a weight, and its pulses. By default the most pulses that leave
 *  2.2 x 2^bits gains: the step between gains must shrink with the distance between points, as 2^-bits. Measured on layers
 *  of novels-5m with calibration, groups of 16: within 3 % of the best pulses from 2 to 4 bits; half the gains cost 10 to
 *  50 % of error, twice as many 2 to 13 %. (Normal weights alone would want a third as many: real rows are less even.) */
export function groupShape(dims: number, bits: number, pulses?: number): GroupShape {
  const groupBits = Math.max(1, Math.round(bits * dims))
  const chosen = pulses ?? mostPulses(dims, groupBits, LEVELS * 2 ** (groupBits / dims))
  return { dims, groupBits, pulses: chosen, levels: levelsOf(dims, chosen, groupBits) }
}

function mostPulses(dims: number, groupBits: number, gains: number): number {
  let pulses = 1
  while (pulses < MAX_PULSES && pyramidSize(dims, pulses + 1) * BigInt(Math.ceil(gains)) <= 1n << BigInt(groupBits))
    pulses++
  return pulses
}

const MOST_DIMS = 32

/** Weights of a group near `dims` that leave the least of a row's last group idle; all of a short row. */
export function dimsFor(cols: number, dims: number): number {
  if (cols <= MOST_DIMS) return Math.max(2, cols)
  const near = Array.from({ length: 13 }, (_, i) => dims - 4 + i).filter((size) => size >= 2 && size <= MOST_DIMS)
  const idle = (size: number) => Math.ceil(cols / size) * size - cols
  return near.sort((a, b) => idle(a) - idle(b) || Math.abs(a - dims) - Math.abs(b - dims))[0] ?? dims
}
