// The measurement itself: the network run with this option alone, everything else original.
//   loss = mean KL(p_original || p_candidate) over the predicted rows of the calibration samples
import type { Means } from './define.ts'

export const swapped: Means = {
  id: 'swapped',
  title: 'Measured',
  cite: 'HAWQ-V2 (Dong et al. 2020), section 3: losses of small perturbations add up',
  formula: 'E KL(p ‖ q with this option alone)',
  fit:
    () =>
    (_, { measured }) =>
      measured && Number.isFinite(measured.loss)
        ? { loss: Math.max(0, measured.loss), standardError: measured.standardError, deviation: 0 }
        : null,
}
