// What becomes of tensors that are not packed: kept byte for byte, or turned into another float type.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { fromFloat32, toFloat32 } from '../../checkpoint/convert.ts'
import type { Network, TensorInfo } from '../../checkpoint/network.ts'
import { bitsOf, type DataType } from '../../graph/ir.ts'
import { chunksOf } from '../safetensors/verify.ts'

export const floatTypes = ['float16', 'bfloat16', 'float32'] as const
export type FloatType = (typeof floatTypes)[number]
export type TargetType = FloatType | 'source'

const plainFloats: ReadonlySet<DataType> = new Set(['float16', 'bfloat16', 'float32', 'float64'])
const smallFloats: ReadonlySet<DataType> = new Set(['float8e4m3fn', 'float8e5m2', 'float8e4m3fnuz', 'float8e5m2fnuz'])
const LARGEST_HALF = 65504
const HALF_OVERFLOW = 65520 // and above round to infinity

/** The float type that config.json names, which is the one packed weights are computed in; float16 where it names none. */
export function configuredType({ config }: Network): FloatType {
  const named = config?.get('torch_dtype') ?? config?.get('dtype')
  return floatTypes.find((type) => type === named) ?? 'float16'
}

/** Type of a tensor in the export. Whole numbers keep theirs; so does everything for 'source', packed weights excepted. */
export function writtenType(network: Network, { dtype, stored }: TensorInfo, target: TargetType): DataType {
  if (!plainFloats.has(dtype) && !smallFloats.has(dtype)) return dtype
  if (target !== 'source') return target
  return stored && dtype === 'float32' ? configuredType(network) : dtype
}

/** A tensor's bytes as they are written, a chunk at a time. Faults 'unsupported' where float16 cannot hold a value. */
export function* writtenBytes(network: Network, tensor: TensorInfo, type: DataType): Generator<Uint8Array> {
  const from = bitsOf[tensor.dtype]
  for (const { begin, end } of chunksOf(tensor.bytes)) {
    const bytes = network.source.read(tensor.name, { begin, end })
    if (type === tensor.dtype) yield bytes
    else yield roundTo(toFloat32(bytes, tensor.dtype), type, tensor.name, (begin * 8) / from)
  }
}

/** float32 as the bytes of a type. Faults 'unsupported' where a finite number would become infinite. */
export function roundTo(values: Float32Array, type: DataType, tensor: string, offset = 0): Uint8Array {
  if (type === 'float16') {
    const bad = values.findIndex((value) => Math.abs(value) >= HALF_OVERFLOW && Number.isFinite(value))
    if (bad >= 0)
      throw new Fault('unsupported', `${tensor}: element ${offset + bad} is ${values[bad]}, beyond float16`, {
        hint: 'Choose bfloat16 or float32.',
        data: { tensor, expected: `at most ${LARGEST_HALF}`, found: String(values[bad]) },
      })
  }
  return fromFloat32(values, type)
}
