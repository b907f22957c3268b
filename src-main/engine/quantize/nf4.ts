// NormalFloat: four bits whose levels are the quantiles of a normal distribution.
//   Dettmers et al. 2023, "QLoRA: Efficient Finetuning of Quantized LLMs", section 3 and appendix E
//   s = absmax of the group     w ~ s level[code]      the paper's groups of 64; scales float16 here
//   search: s, also negative (the table is not symmetric), = argmin sum h (w - s level)^2
// Cost O(weights x 16 x candidates) time. Needs weights only; Hessians, where there are any, feed errors back.
import { z } from 'zod'
import { nf4Levels } from './codings/nf4.ts'
import { defineQuantizer } from './define.ts'
import { codedOptions, groupSizeParameter, levelParameters, toCoded } from './level-quantizer.ts'

export const nf4 = defineQuantizer({
  id: 'nf4',
  title: 'NF4',
  summary:
    'Four bits whose 16 levels lie where normally distributed weights are dense. ONNX Runtime unpacks them when it loads.',
  cite: 'Dettmers et al. 2023, QLoRA: Efficient Finetuning of Quantized LLMs, section 3 and appendix E',
  formula: 'w ~ s level[code];  s = argmin sum h (w - s level)^2',
  cost: 'O(weights x candidates) time; the exported file runs at the speed of float32',
  needs: ['weights'],
  version: 1,
  params: z.object({ groupSize: groupSizeParameter(64), ...levelParameters }),
  options: (layer, parameters) =>
    codedOptions(
      layer,
      [...new Set([parameters.groupSize, 32])].map((groupSize) => ({
        id: `nf4-g${groupSize}`,
        method: 'nf4',
        bits: 4,
        parameters: { ...parameters, groupSize },
      })),
    ),
  apply: (source, parameters, context) =>
    toCoded(source, { id: 'nf4', settings: {}, levels: nf4Levels }, { granularity: 'group', ...parameters }, context),
})
