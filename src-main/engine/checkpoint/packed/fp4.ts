// Four-bit floats (E2M1) with one scale for a short run of inputs:
//
//   p.weight_packed  U8   [outputs, inputs / 2]    input 2 k in bits 3..0 of byte k, input 2 k + 1 in bits 7..4
//   p.weight_scale   NVFP4: F8_E4M3 [outputs, inputs / 16]   MXFP4: U8 or F8_E8M0 [outputs, inputs / 32], 2^(e - 127)
//   p.weight_global_scale  NVFP4 only: F32 [1]
//
//   NVFP4  w = code * (scale / global)       MXFP4  w = code * 2^(e - 127)
//
// NVIDIA's own files (ModelOpt) name the codes p.weight and the second scale p.weight_scale_2, which multiplies.
// Sources: compressed-tensors compressors/nvfp4 and mx_utils; OCP Microscaling Formats 1.0, section 5.3.3.
import { toFloat32 } from '../convert.ts'
import type { TensorInfo, TensorSource } from '../network.ts'
import { misfit, need, readScales, requireFinite } from './pieces.ts'
import { derivedWeight, type ScaledMatrix, weightsOf } from './scaled.ts'

export interface Fp4Pieces {
  codes: TensorInfo
  scale: TensorInfo
  global: { info: TensorInfo; divides: boolean } | null
  others: readonly TensorInfo[]
}

export function fp4Weight(name: string, source: TensorSource, { codes, scale, global, others }: Fp4Pieces) {
  const [rows = 0, width = 0] = codes.shape
  if (codes.shape.length !== 2) throw misfit(codes, 'uint8 [outputs, inputs / 2]', 'for 4-bit floats')
  const cols = width * 2
  const size = global ? 16 : 32
  const types = global ? (['float8e4m3fn'] as const) : (['uint8', 'float8e8m0'] as const)
  const groups = cols / size
  need(source, scale.name, types, [rows, groups], `for ${rows} x ${cols} weights in groups of ${size}`)
  if (global) need(source, global.info.name, ['float32'], global.info.shape.length === 0 ? [] : [1], 'for NVFP4')
  const factor = (): number => {
    if (!global) return 1
    const value = toFloat32(source.read(global.info.name), 'float32')
    if (value[0] === 0 && global.divides) value[0] = NaN
    requireFinite(global.info, value)
    return value[0] as number
  }
  const exponents = { ...scale, dtype: 'float8e8m0' as const }
  const matrix: ScaledMatrix = {
    ...{ rows, cols, groups, group: { size } },
    codes: (begin, end) => toFloat32(source.read(codes.name, { begin: begin * width, end: end * width }), 'float4e2m1'),
    scales(begin, end) {
      const scales = readScales(source, global ? scale : exponents, begin, end, groups)
      const by = factor()
      return global ? scales.map((value) => (global.divides ? value / by : value * by)) : scales
    },
  }
  const all = [codes, scale, ...(global ? [global.info] : []), ...others]
  const type = global ? 'NVFP4 g16' : 'MXFP4 g32'
  return derivedWeight(name, matrix, all, type, (begin, end) => weightsOf(matrix, begin, end))
}
