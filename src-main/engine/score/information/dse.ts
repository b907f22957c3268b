// Diffusion spectral entropy of hidden states, and what they tell about labels or outputs (diffusion.ts has the formulas).
//   Liao et al. 2024, "Assessing Neural Network Representations During Training Using Noise-Resilient Diffusion Spectral
//   Entropy" (CISS; ICML TAG-ML workshop 2023), sections 3.1 and 3.2
// A point is what a block puts out for one sample: a token's vector; of an image the mean over all places. Noise that fills
// every bin of a histogram hardly moves the leading eigenvalues of the diffusion matrix, more so for larger sigma and t.
// Cost: one forward pass; for each block the distances of n points (one product) and n^3 4/3 operations for the eigenvalues,
// then (1 + repetitions) smaller ones for each class; n at most `points`, drawn with a seed.
import { z } from 'zod'
import type { ScoreValue } from '../../../../src-preload/contract/methods.ts'
import { defineScore } from '../define.ts'
import { hiddenStates, PairedSample, requireFinite, valuesOf } from '../hidden.ts'
import { bandwidthOf, diffusionEntropy, diffusionInformation } from './diffusion.ts'
import { notesOn, targetOf } from './labels.ts'

const TITLE = 'Diffusion spectral entropy (DSE)'

export const dse = defineScore({
  id: 'dse',
  title: TITLE,
  summary:
    'How many directions the data takes up at a block, and what they tell about the label; robust against noise.',
  cite: 'Liao et al. 2024, Assessing Neural Network Representations During Training Using Noise-Resilient Diffusion Spectral Entropy, section 3',
  formula:
    'DSE = -sum a_i log2 a_i, a_i = |lambda_i|^t / sum |lambda_j|^t of the diffusion matrix; DSMI = DSE - DSE given the class',
  cost: 'one forward pass; eigenvalues of a matrix of points x points for each block',
  needs: ['activations'], // labels where the data has them, else kinds of outputs
  version: 1,
  params: z.object({
    t: z.int().min(1).max(64).default(2).describe('Steps of diffusion: the power of the eigenvalues'),
    sigma: z.number().positive().max(100).default(0.5).describe('Bandwidth, as a multiple of the median distance'),
    points: z.int().min(16).max(4096).default(512).describe('Samples at most (subsample)'),
    clusters: z.int().min(2).max(100).default(10).describe('Kinds of outputs where the data has no classes'),
    repetitions: z.int().min(1).max(50).default(5).describe('Draws that a class is compared with'),
  }),
  per: (network) => hiddenStates(network).unit,
  values: (network) => valuesOf(hiddenStates(network), network, TITLE),
  start(network, { t, sigma, points, clusters, repetitions }) {
    const { states } = hiddenStates(network)
    const sample = new PairedSample(
      points,
      states.map(({ value }) => value),
      network,
    )
    return {
      see: (values, batch) => sample.see(values, batch),
      async finish({ context, seed }) {
        const values: ScoreValue[] = []
        const still: string[] = []
        const last = states.at(-1)
        for (const { key, value } of states) requireFinite(sample.rows(value).data, key, TITLE, network)
        const target = targetOf(network, sample, sample.rows(last?.value ?? ''), clusters, seed)
        for (const [index, { key, value }] of states.entries()) {
          context.progress({ fraction: index / states.length, step: key })
          const cloud = sample.rows(value)
          const bandwidth = await bandwidthOf(cloud, sigma)
          if (bandwidth === 0) still.push(key)
          const diffusion = { sigma: bandwidth, t }
          const entropy = await diffusionEntropy(cloud, diffusion)
          const { bits } = await diffusionInformation(cloud, target.labels, diffusion, { seed, repetitions })
          values.push({
            key,
            value: entropy,
            parts: { DSE: entropy, [`DSMI with ${target.what}`]: bits, sigma: bandwidth },
          })
        }
        const notes = [
          `${sample.kept} points; DSE is at most ${Math.log2(Math.max(1, sample.kept)).toFixed(2)} bits.`,
          ...notesOn(target, 'DSMI'),
          ...(still.length > 0 ? [`Half of all points or more are the same at ${still.join(', ')}.`] : []),
        ]
        return { values, notes }
      },
    }
  },
})
