// GPTQ: round to nearest on a uniform grid, one input after the other, with the error of each fed back to those that follow.
//   Frantar et al. 2022, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", section 3.3
//   U^T U = (H + damping mean(diag H) I)^-1    e_i = (w_i - q_i) / U_ii    w_j -= e_i U_ij for j > i
//   grids: least sum h (w - s (q - z))^2 with h = diag H, on the weights as fed back when the loop reaches the group, or
//   before the loop (static groups, activation order, groups of more than 256)
//   ridge: H + min(cols / rows of calibration, 1) mean(diag H) I in its place, before all else (kernels/linear/ridge.ts)
//   sweeps: q_i <- nearest(q_i + ((W - Q) H)_i / H_ii), and s += u g / (u H u) for each group: coordinate descent
//   (Zhang et al. 2024, "COMQ"; Chee et al. 2023, "QuIP", greedy updates)
// Cost O(rows cols^2 (1 + sweeps) + cols^3) time, a slab of rows and three Hessians in memory.
import { z } from 'zod'
import { defineQuantizer } from './define.ts'
import { ggmlLdlq } from './ggml-ldlq.ts'
import { quantizeWithFeedback } from './gptq/apply.ts'
import { gridTwin, gridWithFeedback } from './gptq/parameters.ts'

export const gptq = defineQuantizer({
  id: 'gptq',
  title: 'GPTQ',
  summary: 'Rounds input by input and lets the weights that follow make up for what each rounding loses.',
  cite: 'Frantar et al. 2022, GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers, section 3.3',
  formula: 'Q = argmin tr((W - Q) H (W - Q)^T),  H = mean x x^T;  w_j -= (w_i - q_i) / U_ii U_ij',
  cost: 'O(rows cols^2 (1 + sweeps) + cols^3) time, memory of a slab of rows and three Hessians',
  needs: ['weights', 'hessian'],
  version: 2, // few calibration rows are evened out
  params: z.object(gridWithFeedback),
  twin(plain, parameters) {
    const { damping } = parameters
    if (plain.method === 'ggml') return ggmlLdlq.twin?.(plain, ggmlLdlq.params.parse({ damping })) ?? null
    return gridTwin('gptq', plain, parameters)
  },
  apply: (source, parameters, context) => quantizeWithFeedback(source, parameters, context, 'GPTQ'),
})
