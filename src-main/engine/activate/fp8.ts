// Activations as 8-bit floats, one scale for each token, found as they come.
//   Micikevicius et al. 2022, "FP8 Formats for Deep Learning", table 1; vLLM's dynamic FP8; Zhou et al. 2025, "FireQ"
//   (INT4 weights with FP8 activations: this method behind prepare's FireQ smoothing, and 4 bits for the weights)
//   s_t = max_j |x_tj| / largest     x_tj -> fp8(x_tj / s_t) s_t
//              largest   smallest normal   steps in a power of two
//   e4m3fn     448       2^-6              8
//   e5m2       57344     2^-14             4
// Written out as arithmetic, ties to even: step = 2^(max(floor(log2 |v|), e) - mantissa bits). Few providers have a type for
// such numbers, and Cast to it exists from opset 19 on. Where log2 is off by one beside a power of two, both neighbours'
// grids hold that power, and the result is the same.
import { z } from 'zod'
import { absmax, tiny, tokenAxes } from './arithmetic.ts'
import { attentionHelp, attentionInsertions } from './attention.ts'
import type { Bench } from './bench.ts'
import { choiceParameters, defineActivation } from './method.ts'

export const float8 = {
  e4m3: { largest: 448, least: -6, mantissa: 3 },
  e5m2: { largest: 57344, least: -14, mantissa: 2 },
} as const
export type Float8 = keyof typeof float8

export const fp8 = defineActivation({
  id: 'fp8',
  title: '8-bit float activations',
  summary: 'Rounds what enters each layer to 8-bit floats with a scale per token, as graphics cards with FP8 units do.',
  cite: 'Micikevicius et al. 2022, FP8 Formats for Deep Learning; FireQ (2025) for 4-bit weights with FP8 activations',
  formula: 's_t = max_j |x_tj| / 448, x_tj -> e4m3(x_tj / s_t) s_t',
  cost: 'several passes over each activation while running; nothing to calibrate',
  needs: [],
  version: 1,
  params: z.object({
    type: z.enum(['e4m3', 'e5m2']).default('e4m3').describe('Bits of exponent and mantissa'),
    attention: z.boolean().default(false).describe(attentionHelp),
    ...choiceParameters,
  }),
  insertions: (graph, { type, attention }) =>
    attention ? attentionInsertions(graph, (bench, x, axes) => roundTokens(bench, x, axes, type)) : [],
  emit: (bench, value, site, { type }) => roundTokens(bench, value, tokenAxes(site), type),
  mark: ({ type }) => ({ type: 'float', float: type, bits: 8, scale: 'token', dynamic: true, symmetric: true }),
})

function roundTokens(bench: Bench, value: string, axes: readonly number[], type: Float8): string {
  const scale = bench.op('Div', [absmax(bench, value, axes), bench.scalar(float8[type].largest)])
  return bench.op('Mul', [roundFloat8(bench, bench.op('Div', [value, scale]), type), scale])
}

/** Numbers within the type's range, rounded to it. */
export function roundFloat8(bench: Bench, value: string, type: Float8): string {
  const { least, mantissa, largest } = float8[type]
  const size = bench.op('Max', [bench.op('Abs', [value]), bench.scalar(tiny)])
  const exponent = bench.op('Floor', [bench.op('Mul', [bench.op('Log', [size]), bench.scalar(1 / Math.LN2)])])
  const normal = bench.op('Max', [exponent, bench.scalar(least)])
  const step = bench.op('Pow', [bench.scalar(2), bench.op('Sub', [normal, bench.scalar(mantissa)])])
  const rounded = bench.op('Mul', [bench.op('Round', [bench.op('Div', [value, step])]), step])
  return bench.op('Clip', [rounded, bench.scalar(-largest), bench.scalar(largest)])
}
