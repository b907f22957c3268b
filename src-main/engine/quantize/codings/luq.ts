import { type Levels, levelCoding, levelForm, levelShape } from './levels.ts'

export type UltraLow = 1 | 1.58 | 2
const isUltraLow = (bits: unknown): bits is UltraLow => bits === 1 || bits === 1.58 || bits === 2

// Four levels: those with the least squared error for a normal distribution, scaled to [-1, 1] (Max 1960, "Quantizing for
// minimum distortion", table I, N = 4: 0.4528 and 1.510 standard deviations).
const inner = Math.fround(0.4528 / 1.51)

const tables = {
  1: { levels: [-1, 1], codes: 2 },
  1.58: { levels: [-1, 0, 1], codes: 3 }, // log2(3); stored as five to a byte, 1.6 bits
  2: { levels: [-1, -inner, inner, 1], codes: 4 },
} as const

export function luqLevels(bits: UltraLow): Levels {
  const { levels, codes } = tables[bits]
  return { set: { kind: 'table', levels, codes: levels.map((_, code) => code) }, codes, scale: 'float16' }
}

export const luqCoding = levelCoding(
  'luq',
  'Ultra-low bits',
  ({ bits }) => (isUltraLow(bits) ? luqLevels(bits) : null),
  ({ method, bits, parameters }, shape) =>
    method === 'luq' && isUltraLow(bits)
      ? levelForm('luq', { bits }, luqLevels(bits), levelShape(shape, 'group', Number(parameters.groupSize ?? 64)))
      : null,
)
