// Ultra-low widths: binary, ternary and four levels, for the layers that stand it; which ones is the allocator's business.
//   1 bit     w ~ +-s          Rastegari et al. 2016, "XNOR-Net", section 3.1: s = mean |w| is the least-squares optimum
//   1.58 bits w ~ {-s, 0, s}   Li and Liu 2016, "Ternary Weight Networks", section 2.1; stored five to a byte (1.6 bits)
//   2 bits    w ~ +-s, +-0.3 s Max 1960, "Quantizing for minimum distortion", table I: four levels for a normal distribution
//   s = argmin sum h (w - s level)^2, per group
// Cost O(weights x candidates) time. Needs weights only; Hessians, where there are any, feed errors back.
import { z } from 'zod'
import { luqLevels } from './codings/luq.ts'
import { defineQuantizer } from './define.ts'
import { codedOptions, groupSizeParameter, levelParameters, toCoded } from './level-quantizer.ts'

export const luq = defineQuantizer({
  id: 'luq',
  title: 'Ultra-low bits',
  summary: 'One bit, three levels or four levels per weight, for the few layers that stand it beside wider ones.',
  cite: 'Rastegari et al. 2016, XNOR-Net, section 3.1; Li and Liu 2016, Ternary Weight Networks, section 2.1; Max 1960, Quantizing for Minimum Distortion, table I',
  formula: 'w ~ s level[code], levels {-1, 1}, {-1, 0, 1} or {-1, -0.3, 0.3, 1};  s = argmin sum h (w - s level)^2',
  cost: 'O(weights x candidates) time; the exported file runs at the speed of float32',
  needs: ['weights'],
  version: 1,
  params: z.object({
    bits: z.literal([1, 1.58, 2]).default(2).describe('Bits per weight: two, three or four levels'),
    groupSize: groupSizeParameter(64),
    ...levelParameters,
  }),
  options: (layer, { bits: _, ...parameters }) =>
    codedOptions(
      layer,
      [1, 1.58, 2].map((bits) => ({ id: `luq-${bits}-g${parameters.groupSize}`, method: 'luq', bits, parameters })),
    ),
  apply: (source, { bits, ...parameters }, context) =>
    toCoded(source, { id: 'luq', settings: { bits }, levels: luqLevels(bits) }, { granularity: 'group', ...parameters }, context), // prettier-ignore
})
