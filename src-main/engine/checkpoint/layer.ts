import type { Role } from '../../../src-preload/contract/model.ts'
import type { DataType } from '../graph/ir.ts'
import type { Layer, TensorInfo } from './network.ts'

const floats: ReadonlySet<DataType> = new Set(['float32', 'float16', 'bfloat16', 'float64'])
const smallestWorthwhile = 1024 // weights; below, scales and nodes cost more than narrow codes save

export interface LayerUse {
  role: Role
  block?: number | null
  op?: string
  order?: Layer['order']
  expert?: number
  /** Left as it is by every recipe: small, and much hangs on it (expert routers, position tables). */
  keep?: boolean
}

/**
 * A tensor as a layer. Its matrix has output channels as rows: the first dimension in 'rows' order (Conv, Gemm transB=1,
 * Gather), the last of two in 'cols' order (MatMul). Vectors are [n, 1].
 */
export function layerOf(info: TensorInfo, use: LayerUse): Layer {
  const { shape, dtype, name, bytes, stored } = info
  const order = use.order ?? 'rows'
  const parameters = shape.reduce((product, size) => product * size, 1)
  const rows = (order === 'rows' ? shape[0] : shape.at(-1)) ?? 1
  const isMatrix = shape.length >= 2 && use.role !== 'norm' && use.role !== 'bias'
  return {
    name,
    role: use.role,
    block: use.block ?? null,
    shape,
    dtype,
    bytes,
    ...(stored && { stored }),
    parameters,
    compressible: isMatrix && use.keep !== true && floats.has(dtype) && parameters >= smallestWorthwhile,
    rows,
    cols: rows === 0 ? 0 : parameters / rows,
    order,
    op: use.op ?? '',
    ...(use.expert !== undefined && { expert: use.expert }),
  }
}
