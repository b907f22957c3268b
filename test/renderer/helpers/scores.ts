import type { ScoreResult } from '../../../src-preload/contract/methods.ts'
import type { ScorePlans, Xray } from '../../../src-preload/contract/scores.ts'
import * as made from './network.ts'

/** What a score comes to on the made-up network: one value a block, a head or a layer, some with parts and a map. */
export function scoreResult(method: string): ScoreResult {
  const blocks = Array.from({ length: 8 }, (_, i) => ({ key: String(i), value: 0.2 + ((i * 37) % 11) / 10 }))
  const layers = made.layers.map((row) => ({ key: row.name, value: row.parameters / 6e5 }))
  const heads = blocks.flatMap(({ key, value }) =>
    [0, 1, 2, 3].map((head) => ({
      key: `${key}/${head}`,
      value: value + head / 10,
      parts: { entropy: 1 + head, rank: 4 - head },
    })),
  )
  const names = heads.slice(0, 6).map(({ key }) => key)
  const maps = [
    {
      title: 'Composition',
      rows: names,
      cols: names,
      values: names.flatMap((_, a) => names.map((__, b) => (a - b) / 5)),
    },
  ]
  const common = { method, samples: 0, seconds: 1.2 }
  if (method === 'heads')
    return { ...common, per: 'head', values: heads, maps, samples: 8, notes: ['Block 7 has no attention.'] }
  if (method === 'zd') return { ...common, per: 'block', values: blocks }
  return { ...common, per: 'layer', values: layers }
}

/** Plans of every score asked for: further from the best the later it stands. */
export function scorePlans(methods: readonly string[], budgets: readonly { bits: number }[]): ScorePlans {
  const row = (basis: ScorePlans['rows'][number]['basis'], method: string | null, factor: number) => ({
    basis,
    method,
    notes: [],
    points: budgets.map((budget) => {
      const plan = made.solve(budget, {})
      const loss = plan.predicted.loss * factor
      const interval = { loss, low: loss * 0.9, high: loss * 1.1 }
      const recipeId = `${method ?? basis}-${budget.bits}`
      const { bytes, averageBits } = plan.predicted
      return { budget, bytes, averageBits, judged: interval, measured: null, recipe: plan.recipe, recipeId }
    }),
  })
  return {
    judge: 'measured one layer at a time on 8 windows of 256 tokens',
    unmeasured: 0,
    rows: [
      ...methods.map((method, at) => row('score', method, 1.2 + at / 5)),
      row('error', null, 1.5),
      row('sensitivity', null, 1),
      row('uniform', null, 2.4),
    ],
  }
}

export function xray(layer: string, hasData: boolean): Xray {
  const side = {
    count: 256,
    medianNorm: 1.2,
    medianKurtosis: 3.1,
    largest: [{ index: 17, norm: 9.6, ratio: 8, kurtosis: 21 }],
    heaviest: [{ index: 3, norm: 1.3, ratio: 1.1, kurtosis: 44 }],
  }
  const values = Array.from({ length: 64 }, (_, i) => 10 / (i + 1))
  const total = values.reduce((sum, value) => sum + value * value, 0)
  let held = 0
  return {
    layer,
    rows: side,
    cols: side,
    kurtosis: 4.2,
    spectrum: {
      values,
      energy: values.map((value) => (held += (value * value) / total)),
      full: 64,
      effectiveRank: 5.5,
      method: 'all 64 singular values',
    },
    inputs: hasData
      ? {
          min: [-1, -8],
          max: [1, 9],
          mean: [0, 0.5],
          deviation: [0.3, 0.6],
          entropy: [5.2, 2.1],
          source: '2,048 rows of 8 calibration samples',
        }
      : null,
    notes: [],
  }
}
