// Two of every four weights, kept with a bitmask ("sparse-24-bitmask"):
//
//   p.compressed  floats  [outputs, inputs / 2]          the kept weights of a row, in order
//   p.bitmask     U8      [outputs, ceil(inputs / 8)]    bit c mod 8 of byte c / 8 is set where column c is kept
//   p.shape       I64     [2] or [2, 1]                  outputs, inputs
//
// An fp8 file has p.weight_scale [1] or [outputs, 1] too, which multiplies.
// Source: compressed-tensors compressors/sparse_compressors/sparse_24_bitmask.py.
import type { DerivedTensor } from '../derived.ts'
import { toFloat32 } from '../convert.ts'
import type { TensorInfo, TensorSource } from '../network.ts'
import { badValue, countOf, misfit, need, readScales } from './pieces.ts'
import { derivedWeight } from './scaled.ts'
import { shapeIn } from './shape.ts'

export function sparse24Weight(prefix: string, source: TensorSource, values: TensorInfo): DerivedTensor {
  const about = 'for a 2:4 bitmask'
  const { shape, info } = shapeIn(source, `${prefix}.shape`, about)
  const [rows, cols] = shape
  const [half, width] = [cols / 2, Math.ceil(cols / 8)]
  need(source, values.name, [values.dtype], [rows, half], about)
  const mask = need(source, `${prefix}.bitmask`, ['uint8'], [rows, width], about)
  const scale = source.tensors.get(`${prefix}.weight_scale`) ?? null
  const perRow = scale !== null && countOf(scale.shape) === rows && rows > 1
  if (scale && !perRow && countOf(scale.shape) !== 1) throw misfit(scale, `[1] or [${rows}, 1]`, about)
  const elementBytes = values.bytes / Math.max(1, rows * half)
  const decode = (begin: number, end: number): Float32Array => {
    const range = { begin: begin * half * elementBytes, end: end * half * elementBytes }
    const kept = toFloat32(source.read(values.name, range), values.dtype)
    const bits = source.read(mask.name, { begin: begin * width, end: end * width })
    const scales = scale && (perRow ? readScales(source, scale, begin, end, 1) : readScales(source, scale, 0, 1, 1))
    const out = new Float32Array((end - begin) * cols)
    for (let row = 0; row < end - begin; row++) {
      const factor = scales ? (scales[perRow ? row : 0] as number) : 1
      let next = row * half
      const last = next + half
      for (let c = 0; c < cols; c++) {
        if ((((bits[row * width + (c >>> 3)] as number) >>> (c & 7)) & 1) === 0) continue
        if (next === last)
          throw badValue(mask, `row ${begin + row} keeps more than ${half} weights`, `${half} bits a row`)
        out[row * cols + c] = (kept[next++] as number) * factor
      }
      if (next < last) throw badValue(mask, `row ${begin + row} keeps fewer than ${half} weights`, `${half} bits a row`)
    }
    return out
  }
  const pieces = [values, mask, info, ...(scale ? [scale] : [])]
  const type = `2:4 bitmask ${values.dtype}`
  return derivedWeight(`${prefix}.weight`, { rows, cols }, pieces, type, decode)
}
