// NVIDIA ModelOpt checkpoints: 8-bit floats with one scale a tensor (scales.ts), or NVFP4 (fp4.ts).
import { definePacked, nothingUnpacked } from './define.ts'
import { fp4Weight } from './fp4.ts'
import { isFloat8, scaleTypes } from './fp8.ts'
import { needAny } from './pieces.ts'
import { scaledWeight } from './scales.ts'

export const modelopt = definePacked({
  id: 'modelopt',
  title: 'ModelOpt',
  unpack(_config, source) {
    const found = nothingUnpacked()
    for (const codes of source.tensors.values()) {
      if (!codes.name.endsWith('.weight') || !(isFloat8(codes) || codes.dtype === 'uint8')) continue
      const prefix = codes.name.slice(0, -'.weight'.length)
      const others = ['input_scale', 'k_scale', 'v_scale'].flatMap(
        (end) => source.tensors.get(`${prefix}.${end}`) ?? [],
      )
      const scale = needAny(source, `${prefix}.weight_scale`, [...scaleTypes, 'float8e4m3fn'], `beside ${codes.name}`)
      found.hidden.add(scale.name)
      for (const { name } of others) found.hidden.add(name)
      if (isFloat8(codes)) {
        const pieces = { codes, scale, zero: null, block: null, others }
        found.weights.set(codes.name, scaledWeight(codes.name, 'ModelOpt', source, pieces))
        continue
      }
      const info = needAny(source, `${prefix}.weight_scale_2`, ['float32'], `beside ${codes.name}`)
      found.hidden.add(info.name)
      const pieces = { codes, scale, global: { info, divides: false }, others }
      found.weights.set(codes.name, fp4Weight(codes.name, source, pieces))
    }
    return found
  },
})
