import { type Levels, levelCoding, levelForm, levelShape } from './levels.ts'

export type ShiftBits = 2 | 3 | 4
const isShiftBits = (bits: unknown): bits is ShiftBits => bits === 2 || bits === 3 || bits === 4

/** Zero-free powers of two: code = sign bit, then the shift s; w = (-1)^sign 2^s scale, s = 0 .. 2^(b-1) - 1. A product with
 *  such weights is shifts and additions; with `shiftOnly` the scale is a power of two as well, and no multiplication is left. */
export function shiftLevels(bits: ShiftBits, shiftOnly: boolean): Levels {
  const shifts = Array.from({ length: 2 ** (bits - 1) }, (_, s) => s)
  const [down, sign] = [shifts.toReversed(), 2 ** (bits - 1)]
  return {
    set: {
      kind: 'table',
      levels: [...down.map((s) => -(2 ** s)), ...shifts.map((s) => 2 ** s)],
      codes: [...down.map((s) => sign + s), ...shifts],
    },
    codes: (2 ** bits) as 4 | 8 | 16,
    scale: shiftOnly ? 'power-of-two' : 'float16',
  }
}

export const denseShiftCoding = levelCoding(
  'denseshift',
  'DenseShift',
  ({ bits, shiftOnly }) => (isShiftBits(bits) ? shiftLevels(bits, shiftOnly === true) : null),
  ({ method, bits, parameters }, shape) => {
    if (method !== 'denseshift' || !isShiftBits(bits)) return null
    const { shiftOnly = false, groupSize = 64 } = parameters
    const levels = shiftLevels(bits, shiftOnly === true)
    return levelForm('denseshift', { bits, shiftOnly: shiftOnly === true }, levels, levelShape(shape, Number(groupSize) === 0 ? 'channel' : 'group', Number(groupSize))) // prettier-ignore
  },
)
