// Microscaling floats of four bits: E2M1 with one power of two for 32 weights.
//   OCP Microscaling Formats (MX) Specification 1.0, sections 5.3.3 and 6.3
//   X = 2^(floor(log2 absmax) - 2)     w ~ X e2m1(w / X), to nearest, ties to even, saturating at 6
//   search: the exponent with the least sum h (w - X e2m1(w / X))^2 of those around it
// Cost O(weights x candidates) time. Needs weights only; Hessians, where there are any, feed errors back.
import { z } from 'zod'
import { MX_GROUP, mxfp4Levels } from './codings/fp4.ts'
import { defineQuantizer } from './define.ts'
import { codedOptions, levelParameters, toCoded } from './level-quantizer.ts'

export const mxfp4 = defineQuantizer({
  id: 'mxfp4',
  title: 'MXFP4',
  summary: 'Four-bit floats with a power of two for every 32 weights (4.25 bits): the open microscaling format.',
  cite: 'OCP Microscaling Formats (MX) Specification 1.0, sections 5.3.3 and 6.3',
  formula: 'w ~ X e2m1(w / X);  X = 2^k, k = argmin sum h (w - X e2m1(w / X))^2',
  cost: 'O(weights x candidates) time',
  needs: ['weights'],
  version: 1,
  params: z.object(levelParameters),
  options: (layer, parameters) => codedOptions(layer, [{ id: 'mxfp4', method: 'mxfp4', bits: 4, parameters }]),
  apply: (source, parameters, context) =>
    toCoded(source, { id: 'mxfp4', settings: {}, levels: mxfp4Levels }, { granularity: 'group', groupSize: MX_GROUP, ...parameters }, context), // prettier-ignore
})
