// Codes of GGUF blocks chosen for the layer's output instead of its weights: the same types, the same bytes, any runtime.
//   Frantar et al. 2022, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", section 3.3;
//   Chee et al. 2023, "QuIP: 2-Bit Quantization of Large Language Models With Guarantees", section 3 (LDLQ, which is the
//   same) and section 4.2 (greedy updates); Tseng et al. 2024, "QuIP#", section 4 (blocks of eight on a code book)
//   feedback:  U^T U = (H + damping mean(diag H) I)^-1;  e_i = (w_i - q_i) / U_ii,  w_j -= e_i U_ij for j > i
//   refine:    q_i <- nearest(q_i + ((W - Q) H)_i / H_ii) on the block's grid; scales likewise, by least squares and trials
// Our own: each group's scale is the one, of a few around the encoder's, whose fed-back errors are least; of feedback and
// weighted rounding each row keeps the better before it is refined. On three layers of novels-5m the error under H fell to 0.45
// to 0.73 of weighted rounding's; a second start takes 1 to 3 % off that, sweeps beyond six less than 1 %.
// Cost O(rows cols^2 (1 + sweeps)) time, a few copies of a piece of rows and two of the Hessian in memory. Needs weights and
// calibration data.
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { feedbackTypes, type FeedbackType, isFeedbackType } from '../kernels/ggml/feedback/fields.ts'
import { type GgmlType, ggmlTypes } from '../kernels/ggml/types.ts'
import { defineQuantizer, type TokenWeighting } from './define.ts'
import { chooseBlocks } from './ggml-ldlq/refine-blocks.ts'

// Names of engine/calibrate/tokens, which has them and their formulas.
const strategies = ['attention', 'first', 'first-last', 'frequency', 'norm', 'difference', 'similarity'] as const

export const ggmlLdlq = defineQuantizer({
  id: 'ggml-ldlq',
  title: 'GGUF block type, error feedback',
  summary: 'The same blocks that llama.cpp runs, with codes chosen so that the layer’s output changes least.',
  cite:
    'Frantar et al. 2022, GPTQ, section 3.3; Chee et al. 2023, QuIP, sections 3 and 4.2 (LDLQ, greedy updates); ' +
    'Tseng et al. 2024, QuIP#, section 4 (block LDLQ)',
  formula: 'Q = argmin tr((W - Q) H (W - Q)^T),  H = mean x x^T,  Q in blocks of the type',
  cost: 'O(rows cols^2) time for the feedback and each sweep, memory of some rows and two Hessians',
  needs: ['weights', 'hessian'],
  version: 1,
  slow: true,
  params: z.object({
    type: z.enum(feedbackTypes).default('Q4_K').describe('Block type, as llama.cpp names it'),
    damping: z.number().min(0).max(1).default(0.01).describe('Share of the mean input energy added to every input'),
    sweeps: z.int().min(0).max(50).default(3).describe('Passes that refine codes and scales after error feedback'),
    starts: z
      .int()
      .min(1)
      .max(8)
      .default(1)
      .describe('Times it starts over from the refined scales; rows keep their best'),
    tokens: z
      .enum(['none', ...strategies])
      .default('none')
      .describe('What makes a calibration token important: nothing, or a strategy of RSQ'),
    rMin: z.number().min(0).max(1).default(0.7).describe('Importance of the least important token; the most has 1'),
    firstTokens: z.int().positive().default(256).describe('How many tokens count fully (strategies by place)'),
  }),
  twin(plain, parameters) {
    const type = plain.parameters.type as GgmlType | undefined
    if (plain.method !== 'ggml' || type === undefined || !isFeedbackType(type)) return null
    return {
      id: `ggml-ldlq-${type.toLowerCase()}`,
      method: 'ggml-ldlq',
      bits: plain.bits,
      parameters: { ...parameters, type },
      form: plain.id,
    }
  },
  tokens({ tokens, rMin, firstTokens }): TokenWeighting | null {
    if (tokens === 'none') return null
    const byPlace = tokens === 'first' || tokens === 'first-last'
    return { strategy: tokens, parameters: byPlace ? { n: firstTokens, rMin } : { rMin } }
  },
  async apply(source, { type, damping, sweeps, starts }, context) {
    const { rows, cols } = source
    whole(type, cols, context.layer)
    if (rows === 0 || cols === 0) return { rows, cols, type, blocks: new Uint8Array(0) }
    return chooseBlocks(source, type, { damping, sweeps, starts }, context)
  },
})

function whole(type: FeedbackType, cols: number, layer: string): void {
  const { blockSize } = ggmlTypes[type]
  if (cols % blockSize === 0) return
  const message = `Layer ${layer}: rows of ${cols} weights are no whole ${type} blocks of ${blockSize}.`
  throw new Fault('bad-arguments', message, {
    hint: 'Choose a type with smaller blocks for this layer.',
    data: { tensor: layer, expected: `a multiple of ${blockSize}`, found: `${cols}` },
  })
}
