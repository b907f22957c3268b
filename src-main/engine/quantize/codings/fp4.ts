import { smallFloat } from '../../kernels/levels.ts'
import { type Levels, levelCoding, levelForm, levelShape } from './levels.ts'

/** OCP Microscaling Formats (MX) 1.0, section 5.3.3: E2M1 and one E8M0 scale for 32. */
export const mxfp4Levels: Levels = { set: smallFloat('float4e2m1'), codes: 'float4e2m1', scale: 'float8e8m0' }
export const MX_GROUP = 32

/** NVIDIA's: E2M1, one E4M3 scale for 16 and one float32 for the tensor, which divides as in compressed-tensors. */
export const nvfp4Levels: Levels = { set: smallFloat('float4e2m1'), codes: 'float4e2m1', scale: 'float8e4m3fn' }
export const NV_GROUP = 16

export const mxfp4Coding = levelCoding(
  'mxfp4',
  'MXFP4',
  () => mxfp4Levels,
  ({ method }, shape) =>
    method === 'mxfp4' ? levelForm('mxfp4', {}, mxfp4Levels, levelShape(shape, 'group', MX_GROUP)) : null,
)

export const nvfp4Coding = levelCoding(
  'nvfp4',
  'NVFP4',
  () => nvfp4Levels,
  ({ method }, shape) =>
    method === 'nvfp4' ? levelForm('nvfp4', {}, nvfp4Levels, levelShape(shape, 'group', NV_GROUP)) : null,
)
