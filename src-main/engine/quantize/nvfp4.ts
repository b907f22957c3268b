// NVIDIA's floats of four bits: E2M1, an E4M3 scale for 16 weights, one float32 for the tensor.
//   NVIDIA 2025, "Pretraining Large Language Models with NVFP4", section 2; compressed-tensors, "nvfp4-pack-quantized"
//   d = 448 x 6 / absmax of the tensor     s = e4m3(d absmax of the group / 6) / d     w ~ s e2m1(w / s)
//   search: the E4M3 scale with the least sum h (w - s e2m1(w / s))^2 around it
// Cost O(weights x candidates) time. Needs weights only; Hessians, where there are any, feed errors back.
import { z } from 'zod'
import { NV_GROUP, nvfp4Levels } from './codings/fp4.ts'
import { defineQuantizer } from './define.ts'
import { codedOptions, levelParameters, toCoded } from './level-quantizer.ts'

export const nvfp4 = defineQuantizer({
  id: 'nvfp4',
  title: 'NVFP4',
  summary:
    'Four-bit floats with an eight-bit float scale for every 16 weights (4.5 bits), as recent NVIDIA GPUs run them.',
  cite: 'NVIDIA 2025, Pretraining Large Language Models with NVFP4, section 2; compressed-tensors, nvfp4-pack-quantized',
  formula: 'w ~ (s / d) e2m1(w d / s);  d = 2688 / max |w|;  s = argmin sum h (w - (s / d) e2m1(w d / s))^2 in e4m3',
  cost: 'O(weights x candidates) time',
  needs: ['weights'],
  version: 1,
  params: z.object(levelParameters),
  options: (layer, parameters) => codedOptions(layer, [{ id: 'nvfp4', method: 'nvfp4', bits: 4, parameters }]),
  apply: (source, parameters, context) =>
    toCoded(source, { id: 'nvfp4', settings: {}, levels: nvfp4Levels }, { granularity: 'group', groupSize: NV_GROUP, ...parameters }, context), // prettier-ignore
})
