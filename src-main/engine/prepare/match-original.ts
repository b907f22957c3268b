// Layers that match what the original network gives: calibrated methods (error feedback, SparseGPT) make up for what earlier
// layers lost, too, instead of keeping their own weights' outputs on inputs that are wrong already.
//   Li et al. 2025, "GPTAQ: Efficient Finetuning-Free Quantization for Asymmetric Calibration", section 3; means by bias
//   correction (Nagel et al. 2019, section 4.2). The mathematics are in calibrate/match.ts.
// Beyond the paper: moments about the means where a layer has a bias; the error of the other side of a residual is made up
// for, too. Measured on resnet32 pruned uniformly by SparseGPT (128 calibration images, top-1 of 1,000): 90 % zeros 10.7
// alone, 11.4 with means, 47.6 matched, 53.1 matched with residuals.
// On all 5,000 test images, 70, 80, 90, 95 % zeros: uniform 79.1, 73.2, 54.8, 30.9 %; one threshold 50.8, 31.8, 23.6, 20.7 %;
// layer-adaptive by the exact program 79.7, 75.5, 63.9, 46.7 % (test/bench/rd-pruning.ts). Version 1, without mirrored images and
// without judging targets on batches left out, gave a point more there (80.3, 76.8, 64.8, 48.8 %), and less on mobilenet and
// squeezenet at 3 and 4 bits (build/decisions/0012); why, was not looked into.
// Cost: both networks run over the calibration data piece by piece, and twice more for the means. No gradients.
import { z } from 'zod'
import { biasCorrection } from './bias-correction.ts'
import { definePreparation } from './define.ts'

export const matchOriginal = definePreparation({
  id: 'match-original',
  family: 'prepare',
  finishes: true,
  matches: true,
  title: 'Match the original',
  summary:
    'Calibrated layers make up for what the layers before them lost; biases bring back the means of their outputs',
  cite: 'Li et al. 2025, GPTAQ: Efficient Finetuning-Free Quantization for Asymmetric Calibration, section 3',
  formula: 'Q = argmin ||Q x~ - W x||^2, x of the original network, x~ of the compressed one',
  cost: 'The calibration data (photographs mirrored, too) once more through the original, piece by piece, and twice through the whole; eight or more factorisations a layer',
  needs: ['weights', 'activations', 'hessian'],
  version: 2, // what has to generalise is judged on batches left out
  params: z.object({}),
  refuses: ({ graph }) => (graph ? null : 'it holds tensors only, without a graph'),
  measure: async (args, parameters, context) =>
    biasCorrection.refuses(args.network, parameters) === null
      ? ((await biasCorrection.measure?.(args, parameters, context)) ?? new Map())
      : new Map(),
  apply: (network, parameters, given) =>
    given.measured?.size ? biasCorrection.apply(network, parameters, given) : network,
})
