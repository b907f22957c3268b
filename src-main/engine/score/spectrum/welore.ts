// Singular spectra of the weights (WeLore): which matrices are of low rank, and which rank each should get.
//   Jaiswal et al. 2024, "From Low Rank Gradient Subspace Stabilization to Low-Rank Weights: Observations, Theories, and
//   Applications" (WeLore), section 3: the singular values of each matrix, mapped to 0 .. 1 by their extremes, are cut at one
//   threshold for all matrices, found so that the ranks sum to the wanted share. A heavy tail (many values below it) makes
//   a matrix a low-rank component (LRC), to be factored; the others (N-LRC) are left whole.
//   s' = (s - s_min) / (s_max - s_min)     rank_l = |{ s' >= k }|     sum rank_l = (1 - ratio) sum full rank_l
// The threshold is found exactly, by sorting all values, where the paper searches a grid. LRC is what its rank makes smaller:
// rank (rows + cols) < rows cols; for square matrices that is the paper's "rank below half".
// Singular values come from a float32 Gram matrix: those below 3e-4 of the largest are rounding (kernels/linear/eigen.ts).
// Cost: rows cols min(rows, cols) products and 4/3 min^3 for each matrix. Needs weights only.
import { z } from 'zod'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { defineScore } from '../define.ts'
import { ranksFor, shapeOf } from './shape.ts'
import { factorable, spectrumOf } from './spectra.ts'

const MOST_SIZE = 8192 // smaller side; its eigenvalues take minutes

export const welore = defineScore({
  id: 'welore',
  title: 'Singular spectrum (WeLore)',
  summary: 'How much of its rank each matrix needs: those with a heavy tail of small singular values can be factored.',
  cite: 'Jaiswal et al. 2024, From Low Rank Gradient Subspace Stabilization to Low-Rank Weights (WeLore), section 3',
  formula: 'rank share = share of (s - min) / (max - min) above one threshold that all matrices share',
  cost: 'a Gram matrix and its eigenvalues for each matrix',
  needs: ['weights'],
  version: 1,
  params: z.object({
    ratio: z.number().min(0).max(0.95).default(0.5).describe('Share of all ranks that is to be cut'),
  }),
  per: () => 'layer',
  values: () => [],
  start: (network, { ratio }) => ({
    see: () => undefined,
    async finish({ context }) {
      const all = factorable(network)
      const layers = all.filter(({ rows, cols }) => Math.min(rows, cols) <= MOST_SIZE)
      if (layers.length === 0)
        throw new Fault('unsupported', `${network.name} has no weight matrix to take a spectrum of.`, {
          data: { file: network.path },
        })
      const spectra: Float64Array[] = []
      for (const [index, layer] of layers.entries()) {
        context.progress({ fraction: index / layers.length, step: layer.name })
        spectra.push(await spectrumOf(network, layer))
      }
      const { threshold, ranks } = ranksFor(spectra, ratio)
      const isLow = (index: number) => {
        const { rows, cols } = layers[index] ?? { rows: 0, cols: 0 }
        return (ranks[index] ?? 0) * (rows + cols) < rows * cols
      }
      const values = layers.map(({ name }, index) => {
        const spectrum = spectra[index] ?? new Float64Array()
        const { effectiveRank, stableRank, energy } = shapeOf(spectrum)
        const share = (ranks[index] ?? 0) / spectrum.length
        return {
          key: name,
          value: share,
          parts: {
            'rank share': share,
            rank: ranks[index] ?? 0,
            'full rank': spectrum.length,
            'effective rank': effectiveRank,
            'stable rank': stableRank,
            'energy of a tenth': energy.tenth,
            'energy of a quarter': energy.quarter,
            'energy of a half': energy.half,
            'low-rank component': Number(isLow(index)),
          },
        }
      })
      const low = layers.filter((_, index) => isLow(index)).map(({ name }) => name)
      const large = all.filter((layer) => !layers.includes(layer)).map(({ name }) => name)
      const zero = layers.filter((_, index) => spectra[index]?.[0] === 0).map(({ name }) => name)
      const notes = [
        `Threshold ${threshold.toPrecision(3)} of the normalised singular values; ${low.length} of ${layers.length} matrices are low-rank components (LRC)${low.length > 0 ? `: ${low.join(', ')}` : ''}.`,
        ...(large.length > 0 ? [`Left out, larger than ${MOST_SIZE} on both sides: ${large.join(', ')}.`] : []),
        ...(zero.length > 0 ? [`All zeros: ${zero.join(', ')}.`] : []),
      ]
      return { values, notes }
    },
  }),
})
