// Activations as whole numbers, one scale for each token, found as they come (dynamic).
//   Dettmers et al. 2022, "LLM.int8()", section 2.1 (absmax); Yao et al. 2022, "ZeroQuant", section 4.1 (token-wise)
//   s_t = max_j |x_tj| / (2^(b-1) - 1)    x_tj -> round(x_tj / s_t) s_t
// A token is a row of what a product reads. What a convolution reads has one scale for each image: its sums run over many
// places, and only a scale that they share can be taken out of an integer sum.
import { z } from 'zod'
import { absmax, roundSymmetric, tokenAxes } from './arithmetic.ts'
import { attentionHelp, attentionInsertions } from './attention.ts'
import { choiceParameters, defineActivation } from './method.ts'

export const intToken = defineActivation({
  id: 'int-token',
  title: 'Whole-number activations, a scale per token',
  summary: 'Rounds what enters each layer to 4 to 8 bits; every token finds its own scale while the network runs.',
  cite: 'Dettmers et al. 2022, LLM.int8(), section 2.1; Yao et al. 2022, ZeroQuant, section 4.1',
  formula: 's_t = max_j |x_tj| / (2^(b-1) - 1), x_tj -> round(x_tj / s_t) s_t',
  cost: 'a pass over each activation while running; nothing to calibrate',
  needs: [],
  version: 1,
  params: z.object({
    bits: z.int().min(4).max(8).default(8).describe('Bits of an activation'),
    attention: z.boolean().default(false).describe(attentionHelp),
    ...choiceParameters,
  }),
  insertions: (graph, { bits, attention }) =>
    attention
      ? attentionInsertions(graph, (bench, x, axes) => roundSymmetric(bench, x, absmax(bench, x, axes), bits).value)
      : [],
  emit: (bench, value, site, { bits }) =>
    roundSymmetric(bench, value, absmax(bench, value, tokenAxes(site)), bits).value,
  mark: ({ bits }) => ({ type: 'int', bits, scale: 'token', dynamic: true, symmetric: true }),
})
