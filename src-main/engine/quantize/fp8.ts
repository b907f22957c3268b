// 8-bit floats with a scale for each output, group or the tensor.
//   OCP 8-bit Floating Point Specification (OFP8) 1.0, section 5: E4M3 (no infinity, up to 448) and E5M2 (up to 57,344)
//   s = absmax / largest number of the type     w ~ s float8(w / s), to nearest, ties to even, saturating
//   search: s = argmin sum h (w - s float8(w / s))^2 around it, largest weights allowed to saturate
// Cost O(weights x candidates) time. Needs weights only; Hessians, where there are any, feed errors back.
import { z } from 'zod'
import { fp8Levels } from './codings/fp8.ts'
import { defineQuantizer } from './define.ts'
import { codedOptions, levelParameters, toCoded } from './level-quantizer.ts'

export const fp8 = defineQuantizer({
  id: 'fp8',
  title: 'FP8',
  summary:
    'Eight-bit floats, as vLLM and recent GPUs run them; small and large weights keep the same relative precision.',
  cite: 'OCP 8-bit Floating Point Specification (OFP8) 1.0; Micikevicius et al. 2022, FP8 Formats for Deep Learning',
  formula: 'w ~ s float8(w / s);  s = argmin sum h (w - s float8(w / s))^2',
  cost: 'O(weights x candidates) time',
  needs: ['weights'],
  version: 1,
  params: z.object({
    type: z.enum(['e4m3', 'e5m2']).default('e4m3').describe('e4m3: three bits of fraction; e5m2: two, and more range'),
    granularity: z.enum(['tensor', 'channel', 'group']).default('channel').describe('What shares one scale'),
    groupSize: z.int().positive().default(128).describe('Weights per group (granularity group)'),
    ...levelParameters,
  }),
  options: (layer, parameters) => {
    const { type, granularity, groupSize } = parameters
    const id = `fp8-${type}-${granularity === 'group' ? `g${groupSize}` : granularity}`
    return codedOptions(layer, [{ id, method: 'fp8', bits: 8, parameters }])
  },
  apply: (source, { type, ...parameters }, context) =>
    toCoded(source, { id: 'fp8', settings: { type }, levels: fp8Levels(type, parameters.granularity) }, parameters, context), // prettier-ignore
})
