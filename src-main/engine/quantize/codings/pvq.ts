// A layer as points of a pyramid (quantize/pvq.ts): w = scale[row] x level x p / |p|, |p_1| + ... + |p_D| = K.
//
//   codes   U8   [ceil(rows x groups x B / 8)]   one little-endian bit stream, a number of B bits a group, row after row:
//                                                level x N(D, K) + the point's number (kernels/assembly/shared/pvq/index.ts)
//   scales  F16  [rows, 1]
//   levels  F32  [L]                             ascending, L = min(256, floor(2^B / N(D, K)))
//   settings: dims D, pulses K, groupBits B; groups = ceil(cols / D), a shorter last one has 0 behind its end
import type { Option } from '../../../../src-preload/contract/plan.ts'
import { decodeScales } from '../../kernels/float16.ts'
import { groupsOf, streamBytes, unpackRows } from '../../kernels/vectors/pvq.ts'
import { levelsOf, MAX_BITS, MAX_DIMS, MAX_PULSES, pyramidSize } from '../../kernels/vectors/pyramid.ts'
import { groupShape, type GroupShape } from '../pvq/shape.ts'
import type { CodedForm, CodedMatrix, Coding } from './define.ts'

/** Parts without bytes. */
export function pvqForm(
  { dims, pulses, groupBits, levels }: GroupShape,
  shape: { rows: number; cols: number },
): CodedForm {
  const { rows, cols } = shape
  return {
    ...{ rows, cols, coding: 'pvq', settings: { dims, pulses, groupBits } },
    parts: {
      codes: { dtype: 'uint8', shape: [streamBytes(rows * groupsOf(cols, dims), groupBits)] },
      scales: { dtype: 'float16', shape: [rows, 1] },
      levels: { dtype: 'float32', shape: [levels] },
    },
  }
}

const number = ({ settings }: CodedMatrix, name: string): number => Number(settings[name])

export const pvqCoding: Coding = {
  id: 'pvq',
  title: 'Points of a pyramid',
  decode(matrix, begin, end) {
    const { codes, scales, levels } = matrix.parts
    const [dims, pulses, bits] = ['dims', 'pulses', 'groupBits'].map((name) => number(matrix, name))
    return unpackRows(
      codes?.data ?? new Uint8Array(),
      {
        ...{ cols: matrix.cols, dims: dims ?? 1, pulses: pulses ?? 1, bits: bits ?? 1 },
        scales: decodeScales(scales?.data ?? new Uint8Array(), 'float16'),
        levels: decodeScales(levels?.data ?? new Uint8Array(), 'float32'),
      },
      begin,
      end,
    )
  },
  fault(matrix) {
    const [dims = 0, pulses = 0, bits = 0] = ['dims', 'pulses', 'groupBits'].map((name) => number(matrix, name))
    const within = (value: number, most: number) => Number.isInteger(value) && value >= 1 && value <= most
    if (!within(dims, MAX_DIMS) || !within(pulses, MAX_PULSES) || !within(bits, MAX_BITS))
      return `no pyramid of ${dims} dimensions, ${pulses} pulses and ${bits} bits`
    if (pyramidSize(dims, pulses) > 1n << BigInt(bits)) return `${bits} bits do not number the points of its pyramid`
    const levels = levelsOf(dims, pulses, bits)
    const { parts } = pvqForm({ dims, pulses, groupBits: bits, levels }, matrix)
    for (const [name, { dtype, shape }] of Object.entries(parts)) {
      const found = matrix.parts[name]
      const bytes = shape.reduce(
        (product, size) => product * size,
        { uint8: 1, float16: 2, float32: 4 }[dtype as 'uint8'],
      )
      if (found?.dtype !== dtype || found.data.byteLength !== bytes)
        return `part ${name} is not ${bytes} bytes of ${dtype}`
    }
    const finite = (name: 'scales' | 'levels', type: 'float16' | 'float32') =>
      decodeScales(matrix.parts[name]?.data ?? new Uint8Array(), type).every(Number.isFinite)
    return finite('scales', 'float16') && finite('levels', 'float32') ? null : 'a scale or a level is not finite'
  },
  form(option: Option, shape) {
    if (option.method !== 'pvq') return null
    const { dims = 16, pulses } = option.parameters as { dims?: number; pulses?: number }
    return pvqForm(groupShape(dims, option.bits, pulses), shape)
  },
}
