import { smallFloat } from '../../kernels/levels.ts'
import type { Granularity } from '../types.ts'
import { type Levels, levelCoding, levelForm, levelShape } from './levels.ts'

const types = { e4m3: 'float8e4m3fn', e5m2: 'float8e5m2' } as const
export type Float8 = keyof typeof types

/** OCP 8-bit Floating Point Specification (OFP8) 1.0: E4M3 up to 448, E5M2 up to 57,344; both saturate. */
export const fp8Levels = (type: Float8, granularity: Granularity): Levels => ({
  set: smallFloat(types[type]),
  codes: types[type],
  scale: granularity === 'group' ? 'float16' : 'float32', // a few scales cost nothing; those of groups would
})

export const fp8Coding = levelCoding(
  'fp8',
  'FP8',
  ({ type, granularity }) =>
    type === 'e4m3' || type === 'e5m2' ? fp8Levels(type, granularity === 'group' ? 'group' : 'channel') : null,
  ({ method, parameters }, shape) => {
    if (method !== 'fp8') return null
    const { type = 'e4m3', granularity = 'channel', groupSize = 128 } = parameters
    const levels = fp8Levels(type as Float8, granularity as Granularity)
    return levelForm('fp8', { type: String(type) }, levels, levelShape(shape, granularity as Granularity, Number(groupSize))) // prettier-ignore
  },
)
