import { expect, test } from 'vitest'
import { enumerate } from '../../../src-main/engine/allocate/enumerate.ref.ts'
import { dualOf, polish } from '../../../src-main/engine/allocate/lagrangian.ts'
import { totalsOf, within } from '../../../src-main/engine/allocate/limits.ts'
import { balancedChoice } from '../../../src-main/engine/allocate/priced.ts'
import { realisticInstance } from './instances.ts'
import { timed } from './timed.ts'

test('the bound lies below the best choice, and no option of it costs more than what lies between (seeds 1 to 40)', () => {
  let bounds = 0
  for (let seed = 1; seed <= 40; seed++) {
    const { layers, limits } = timed(realisticInstance('small', 6, 4, seed), seed)
    const best = enumerate({ layers, objective: 'loss', ...limits })
    const task = { layers, pairs: [], minimise: 'loss' as const, limits: { bytes: limits.maxBytes, seconds: limits.maxSeconds } } // prettier-ignore
    const dual = dualOf(task)
    if (best === null || dual === null) continue
    bounds++
    const hair = 1e-12 * best.objective
    expect(dual.bound, `seed ${seed}`).toBeLessThanOrEqual(best.objective + hair)
    best.choice.forEach((option, layer) =>
      expect(dual.reduced[layer]?.[option], `seed ${seed}, layer ${layer}`).toBeLessThanOrEqual(
        best.objective - dual.bound + hair,
      ),
    )
    const begin = balancedChoice({ layers, objective: 'loss', ...limits })
    if (begin === null) continue
    const polished = totalsOf({ layers }, polish(task, dual, begin))
    expect(within(polished, { objective: 'loss', ...limits }), `seed ${seed}`).toBe(true)
    expect(polished.loss).toBeLessThanOrEqual(totalsOf({ layers }, begin).loss)
    expect(polished.loss).toBeGreaterThanOrEqual(best.objective - hair)
  }
  expect(bounds).toBeGreaterThan(20)
})

test('on a network of realistic size few options are left, and the choice is within 0.1 % of the bound (seed 3)', () => {
  const { layers, limits } = timed(realisticInstance('varied', 500, 24, 3), 3)
  const task = { layers, pairs: [], minimise: 'loss' as const, limits: { bytes: limits.maxBytes, seconds: limits.maxSeconds } } // prettier-ignore
  const dual = dualOf(task)
  const begin = balancedChoice({ layers, objective: 'loss', ...limits })
  if (!dual || !begin) throw new Error('no choice')
  const { loss } = totalsOf({ layers }, polish(task, dual, begin))
  expect(loss / dual.bound - 1).toBeLessThan(1e-3)
  const left = dual.reduced.reduce((sum, costs) => sum + costs.filter((cost) => cost <= loss - dual.bound).length, 0)
  expect(left).toBeLessThan(3_000) // of 12,000
})
