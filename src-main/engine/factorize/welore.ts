// WeLore: truncated SVD at ranks that one threshold on the singular values gives, for all matrices together.
//   Jaiswal et al. 2024, "From Low Rank Gradient Subspace Stabilization to Low-Rank Weights" (WeLore), section 3:
//   s' = (s - s_min) / (s_max - s_min)     rank_l = |{ s' >= k }|     sum rank_l = (1 - ratio) sum full rank_l
// A matrix whose rank saves nothing, rank (rows + cols) >= rows cols, is no low-rank component (N-LRC) and is left whole.
// One shot and free of data, as published; the score `welore` (S8) tells the same ranks. Fine-tuning of the factors alone, the
// paper's second half, is not here. Tables of embeddings are no linear maps and are left out.
// Measured (npm run bench welore) against one rank share for all at equal numbers, KL at 30, 50, 70 % of the ranks cut:
// vit-cifar10 0.010, 0.030, 0.092 against 0.106, 0.738, 1.167; stories260K 0.24, 3.1, 5.9 against 1.8, 4.3, 6.9; but novels-5m 1.2,
// 2.9, 3.1 against 0.19, 0.68, 2.3: its ranks follow from the largest singular value of a matrix, and mislead where that stands alone.
// Cost of the ranks: a Gram matrix and its eigenvalues for each matrix, rows cols n + 4/3 n^3 with n the smaller side; of a
// layer as SVD. Needs weights only.
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import { defineCompressor } from '../quantize/define.ts'
import { ranksFor } from '../score/spectrum/shape.ts'
import { factorable, spectrumOf } from '../score/spectrum/spectra.ts'
import { factorise } from './fit.ts'
import { rankOptions, rankParameters } from './parameters.ts'

const ratios = [0.2, 0.35, 0.5, 0.65, 0.8] as const

/** Multiplications for the spectra, from which on a plan would wait for more than about a minute. */
const MOST_WORK = 2e11

const workOf = ({ rows, cols }: Layer): number => {
  const n = Math.min(rows, cols)
  return rows * cols * n + (4 / 3) * n ** 3
}

const params = z.object({
  ...rankParameters,
  ratio: z
    .number()
    .gt(0)
    .max(0.95)
    .optional()
    .describe('Share of the ranks of all matrices together that is cut. Absent: a ladder is offered'),
})

/** Singular values by layer, falling. Faults 'unsupported' where that takes too long for a plan to wait for. */
export async function spectraOf(network: Network): Promise<Map<string, Float64Array>> {
  const layers = factorable(network)
  const work = layers.reduce((sum, layer) => sum + workOf(layer), 0)
  if (work > MOST_WORK)
    throw new Fault('unsupported', `${network.name}: the spectra that WeLore's ranks come from take minutes.`, {
      hint: 'Measure the score "welore" for the ranks, and offer "svd", whose ladder comes near to them.',
      data: { expected: `at most ${MOST_WORK} multiplications`, found: String(Math.round(work)) },
    })
  const spectra = new Map<string, Float64Array>()
  for (const layer of layers) spectra.set(layer.name, await spectrumOf(network, layer))
  return spectra
}

/** Rank of each layer that is to be factored, where this share of all ranks is cut: low-rank components (LRC) alone. */
export function ranksAt(
  spectra: ReadonlyMap<string, Float64Array>,
  layers: readonly Layer[],
  ratio: number,
): Map<string, number> {
  const known = layers.filter(({ name }) => spectra.has(name))
  const { ranks } = ranksFor(known.map(({ name }) => spectra.get(name) ?? new Float64Array()), ratio) // prettier-ignore
  return new Map(
    known.flatMap(({ name, rows, cols }, index): [string, number][] => {
      const rank = ranks[index] ?? 0
      return rank * (rows + cols) < rows * cols ? [[name, rank]] : []
    }),
  )
}

export const welore = defineCompressor({
  id: 'welore',
  family: 'factorize',
  title: 'WeLore',
  summary:
    'Replaces those weight matrices by two thin ones whose singular values fall fast, each at a rank of its own.',
  cite: 'Jaiswal et al. 2024, From Low Rank Gradient Subspace Stabilization to Low-Rank Weights (WeLore), section 3',
  formula: 'w ~ L R of rank |{ (s - min) / (max - min) >= k }|, one k for all matrices',
  cost: 'the singular values of all matrices once; the exported network multiplies by both factors, which is faster',
  needs: ['weights'],
  version: 1,
  params,
  async across(network, { ratio, rank: _, rankShare: __, width }) {
    const spectra = await spectraOf(network)
    const steps = (ratio === undefined ? ratios : [ratio]).map((share) => ({
      percent: Number((share * 100).toFixed(2)),
      ranks: ranksAt(spectra, network.layers, share),
    }))
    return (layer) =>
      steps.flatMap(({ percent, ranks }) => {
        const rank = ranks.get(layer.name)
        if (rank === undefined) return []
        return rankOptions('welore', layer, { rank, width }).map((option) => ({
          ...option,
          id: `welore-${percent}-${option.id.split('-').at(-1)}`,
        }))
      })
  },
  apply: (source, parameters, context) => factorise(source, parameters, null, context),
})
