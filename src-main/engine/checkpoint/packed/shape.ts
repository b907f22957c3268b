import { needAny, badValue, countOf } from './pieces.ts'
import type { TensorInfo, TensorSource } from '../network.ts'

const most = 1 << 24 // rows or columns of a weight

/** The two sizes that a file keeps as a tensor: [outputs, inputs]. */
export function shapeIn(
  source: TensorSource,
  name: string,
  about: string,
): { shape: [number, number]; info: TensorInfo } {
  const info = needAny(source, name, ['int64', 'int32'], about)
  if (countOf(info.shape) !== 2)
    throw badValue(info, `it holds ${countOf(info.shape)} numbers`, 'two: outputs and inputs')
  const bytes = new Uint8Array(source.read(name)).buffer
  const [rows = 0, cols = 0] =
    info.dtype === 'int64' ? [...new BigInt64Array(bytes)].map(Number) : [...new Int32Array(bytes)]
  if (!(rows > 0 && rows <= most && cols > 0 && cols <= most))
    throw badValue(info, `it says [${rows}, ${cols}]`, `sizes from 1 to ${most}`)
  return { shape: [rows, cols], info }
}
