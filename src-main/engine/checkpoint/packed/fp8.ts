// 8-bit float checkpoints ("fp8": DeepSeek, Qwen and vLLM; "fbgemm_fp8": Meta): layout in scales.ts. The scales are
// p.weight_scale_inv for blocks, p.weight_scale otherwise. Scales of activations are not needed to know the weights.
import type { Settings } from '../../graph/families/config.ts'
import type { TensorInfo, TensorSource } from '../network.ts'
import { definePacked, nothingUnpacked, type Unpacked } from './define.ts'
import { needAny } from './pieces.ts'
import { scaledWeight } from './scales.ts'

export const scaleTypes = ['float32', 'bfloat16', 'float16'] as const
const activationPieces = ['input_scale', 'output_scale', 'input_scale_ub', 'weight_scale_ub', 'activation_scale']

function unpack(config: Settings, source: TensorSource): Unpacked {
  const found = nothingUnpacked()
  const block = config.has('weight_block_size') ? (config.numbers('weight_block_size', 2) as [number, number]) : null
  for (const codes of source.tensors.values()) {
    if (!codes.name.endsWith('.weight') || !isFloat8(codes)) continue
    const prefix = codes.name.slice(0, -'.weight'.length)
    const inverse = source.tensors.has(`${prefix}.weight_scale_inv`)
    const scale = needAny(source, `${prefix}.weight_scale${inverse ? '_inv' : ''}`, scaleTypes, `beside ${codes.name}`)
    const others = activationPieces.flatMap((end) => source.tensors.get(`${prefix}.${end}`) ?? [])
    const pieces = { codes, scale, zero: null, block: block ?? (inverse ? ([128, 128] as const) : null), others }
    found.weights.set(codes.name, scaledWeight(codes.name, 'FP8', source, pieces))
    for (const piece of [scale, ...others]) found.hidden.add(piece.name)
  }
  return found
}

export const isFloat8 = ({ dtype }: TensorInfo): boolean => dtype === 'float8e4m3fn' || dtype === 'float8e5m2'

export const fp8 = definePacked({ id: 'fp8', title: 'FP8', unpack })
export const fbgemm = definePacked({ id: 'fbgemm_fp8', title: 'FBGEMM FP8', unpack })
