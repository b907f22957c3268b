// Plain encoders, for now: scales that just fit.
import { roundToHalf, toHalfBits } from '../float16.ts'
import { type LaidOutType, layoutOf, layouts } from './layout.ts'
import { type GgmlType, ggmlTypes } from './types.ts'
import { packReference } from './unpack.ref.ts'

const bits = (x: number) => new Uint32Array(Float32Array.of(x).buffer)[0] ?? 0

export function encodeReference(type: GgmlType, x: Float32Array): Uint8Array | undefined {
  if (type === 'F32') return new Uint8Array(x.slice().buffer)
  if (type === 'F16') return new Uint8Array(Uint16Array.from(x, (v) => toHalfBits(roundToHalf(v))).buffer)
  if (type === 'BF16')
    return new Uint8Array(Uint16Array.from(x, (v) => (bits(v) + 0x7fff + ((bits(v) >>> 16) & 1)) >>> 16).buffer)
  if (!Object.hasOwn(layouts, type)) return undefined
  const { blockSize, blockBytes } = ggmlTypes[type]
  const out = new Uint8Array((x.length / blockSize) * blockBytes)
  for (let b = 0; b * blockSize < x.length; b++)
    out.set(encodeBlock(type as LaidOutType, x.subarray(b * blockSize, (b + 1) * blockSize)), b * blockBytes)
  return out
}

function encodeBlock(type: LaidOutType, x: Float32Array): Uint8Array {
  const layout = layoutOf(type)
  const size = x.length / layout.groups
  const topCode = layout.table ? 15 : layout.signed ? 127 : 2 ** layout.code(0).reduce((sum, p) => sum + p[2], 0) - 1
  const topScale = layout.scale ? 2 ** layout.scale(0).reduce((sum, p) => sum + p[2], 0) - 1 : 1
  const most = layout.scaleSigned ? 127 : topScale - layout.scaleZero
  const table = layout.table
  const reach = table
    ? Math.max(...table)
    : layout.signed
      ? 127
      : layout.m === undefined
        ? Math.max(1, topCode - layout.zero)
        : topCode
  const groups = Array.from({ length: layout.groups }, (_, g) => x.subarray(g * size, (g + 1) * size))
  const lows = groups.map((group) =>
    layout.m === undefined ? 0 : layout.min ? Math.min(0, ...group) : Math.min(...group),
  )
  const wanted = groups.map((group, g) =>
    layout.m === undefined ? Math.max(...group.map(Math.abs)) / reach : (Math.max(...group) - (lows[g] ?? 0)) / reach,
  )
  const exponent = Math.max(0, Math.min(254, Math.ceil(Math.log2(Math.max(...wanted) || 2 ** -128)) + 128))
  const d = layout.dType === 'exponent' ? 2 ** (exponent - 128) : roundToHalf(Math.max(...wanted) / most)
  const m = layout.min ? roundToHalf(-Math.min(...lows) / topScale) : roundToHalf(lows[0] ?? 0)
  const scales = wanted.map((s) => (layout.scale && d > 0 ? Math.min(most, Math.round(s / d)) : 1))
  const mins = lows.map((low) => (layout.min && m > 0 ? Math.min(topScale, Math.round(-low / m)) : 1))
  const codes = Uint8Array.from(x, (value, i) => {
    const g = Math.floor(i / size)
    const s = d * (scales[g] ?? 0)
    const v = s === 0 ? 0 : (value - (layout.m === undefined ? 0 : layout.min ? -m * (mins[g] ?? 0) : m)) / s
    if (table) return table.reduce((best, t, c) => (Math.abs(t - v) < Math.abs((table[best] ?? 0) - v) ? c : best), 0)
    if (layout.signed) return Math.max(-127, Math.min(127, Math.round(v))) & 0xff
    return Math.max(0, Math.min(topCode, Math.round(v) + layout.zero))
  })
  return packReference(type, {
    d: layout.dType === 'exponent' ? exponent : toHalfBits(d),
    m: toHalfBits(m),
    scales: Uint8Array.from(layout.scale ? scales : [], (s) => (layout.scaleSigned ? s & 0xff : s + layout.scaleZero)),
    mins: Uint8Array.from(layout.min ? mins : []),
    codes,
  })
}
