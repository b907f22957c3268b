// Codes of GGUF blocks chosen for the layer's output instead of its weights: the same types, the same bytes, any runtime.
//   Frantar et al. 2022, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", section 3.3;
//   Chee et al. 2023, "QuIP: 2-Bit Quantization of Large Language Models With Guarantees", section 3 (LDLQ, which is the
//   same) and section 4.2 (greedy updates); Tseng et al. 2024, "QuIP#", section 4 (blocks of eight on a code book)
//   feedback:  U^T U = (H + damping mean(diag H) I)^-1;  e_i = (w_i - q_i) / U_ii,  w_j -= e_i U_ij for j > i
//   refine:    q_i <- nearest(q_i + ((W - Q) H)_i / H_ii) on the block's grid; scales likewise, by least squares and trials
// Our own: each group's scale is the one, of a few around the encoder's, whose fed-back errors are least; of feedback and
// weighted rounding each row keeps the better before it is refined.
// Cost O(rows cols^2 (1 + sweeps)) time, a few copies of a piece of rows and two of the Hessian in memory. Needs weights and
// calibration data.
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { feedbackTypes, type FeedbackType, isFeedbackType } from '../kernels/ggml/feedback/fields.ts'
import { type GgmlType, ggmlTypes } from '../kernels/ggml/types.ts'
import { defineQuantizer } from './define.ts'
import { chooseBlocks } from './ggml-ldlq/refine-blocks.ts'

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
  params: z.object({
    type: z.enum(feedbackTypes).default('Q4_K').describe('Block type, as llama.cpp names it'),
    damping: z.number().min(0).max(1).default(0.01).describe('Share of the mean input energy added to every input'),
    sweeps: z.int().min(0).max(50).default(3).describe('Passes that refine codes and scales after error feedback'),
    tokens: z.string().default('none').describe('How calibration tokens are weighed: none, or a strategy of RSQ'),
  }),
  twin(plain, { damping, sweeps, tokens }) {
    const type = plain.parameters.type as GgmlType | undefined
    if (plain.method !== 'ggml' || type === undefined || !isFeedbackType(type)) return null
    return {
      id: `ggml-ldlq-${type.toLowerCase()}`,
      method: 'ggml-ldlq',
      bits: plain.bits,
      parameters: { type, damping, sweeps, tokens },
      form: plain.id,
    }
  },
  tokens: ({ tokens }) => (tokens === 'none' ? null : { strategy: tokens, parameters: {} }),
  async apply(source, { type, damping, sweeps }, context) {
    const { rows, cols } = source
    whole(type, cols, context.layer)
    if (rows === 0 || cols === 0) return { rows, cols, type, blocks: new Uint8Array(0) }
    return chooseBlocks(source, type, { damping, sweeps }, context)
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
