import type { Recipe } from '../../../src-preload/contract/plan.ts'
import type { ScorePlanPoint, ScorePlans } from '../../../src-preload/contract/scores.ts'
import type { PlanChartData, PlanSeries } from '../../charts/scorePlans.ts'
import { formatBits, formatBytes, formatScientific, trimZeros } from '../../ui/format.ts'
import { type Column, shortTitle } from './columns.ts'

export interface PlanLine {
  id: string // the score's, or the baseline's
  title: string
  look: PlanSeries['look']
  notes: string[]
  points: readonly ScorePlanPoint[]
  /** Judged loss over that of the plans made from the measured losses themselves, geometric mean over the budgets. */
  judged: number | null
  /** The same of measured losses, over budgets where both were run; null without one. */
  measured: number | null
  runs: number // of them measured
}

const baselines = {
  sensitivity: 'Measured losses themselves',
  error: 'Weight error alone',
  uniform: 'One width for all',
} as const

const titleOf = (basis: keyof typeof baselines, isMeasured: boolean): string =>
  basis === 'sensitivity' && !isMeasured ? 'Guessed losses themselves' : baselines[basis]

function meanRatio(own: readonly (number | undefined)[], best: readonly (number | undefined)[]): number | null {
  const logs = own.flatMap((value, at) => {
    const least = best[at]
    return value !== undefined && least !== undefined && value > 0 && least > 0 ? [Math.log(value / least)] : []
  })
  return logs.length === 0 ? null : Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length)
}

/** Scores and baselines, the one that planned best first. Where no loss was measured, the judge is guessed from the weights. */
export function planLines(plans: ScorePlans | null, columns: readonly Column[], isMeasured = true): PlanLine[] {
  if (!plans) return []
  const best = plans.rows.find(({ basis }) => basis === 'sensitivity')?.points ?? []
  const lines = plans.rows.map(({ basis, method, notes, points }): PlanLine => {
    const at = columns.findIndex(({ id }) => id === method)
    return {
      id: method ?? basis,
      title: basis === 'score' ? (columns[at]?.title ?? method ?? '') : titleOf(basis, isMeasured),
      look: basis === 'score' ? Math.max(0, at) : basis,
      notes,
      points,
      judged: meanRatio(
        points.map(({ judged }) => judged.loss),
        best.map(({ judged }) => judged.loss),
      ),
      measured: meanRatio(
        points.map(({ measured }) => measured?.loss),
        best.map(({ measured }) => measured?.loss),
      ),
      runs: points.filter(({ measured }) => measured !== null).length,
    }
  })
  return lines.sort((a, b) => (a.judged ?? Infinity) - (b.judged ?? Infinity))
}

/** What has to be run so that these lines are measured: every plan once, whoever made it. */
export function runsOf(lines: readonly PlanLine[]): { name: string; recipe: Recipe }[] {
  const runs = new Map<string, { name: string; recipe: Recipe }>()
  for (const { title, points } of lines)
    for (const { measured, recipe, recipeId, averageBits } of points)
      if (measured === null && !runs.has(recipeId))
        runs.set(recipeId, { name: `${shortTitle(title)}, ${formatBits(averageBits)} bits`.slice(0, 120), recipe })
  return [...runs.values()]
}

/** Lines as drawn; with some ticked, the others step back. */
export function planChart(lines: readonly PlanLine[], marked: (id: string) => boolean): PlanChartData {
  const sizes = lines.flatMap(({ points }) => points.map(({ bytes }) => bytes))
  const isNarrow = Math.max(...sizes) < 1.02 * Math.min(...sizes) && Math.max(...sizes) < 1e7
  const some = lines.some(({ id }) => marked(id))
  const mark = (x: number, { loss, low, high }: ScorePlanPoint['judged']) => ({ x, y: loss, low, high })
  return {
    series: lines.map(({ id, look, points }) => ({
      id,
      look,
      judged: points.map(({ bytes, judged }) => mark(bytes, judged)),
      measured: points.flatMap(({ bytes, measured }) => (measured ? [mark(bytes, measured)] : [])),
      isFaded: some && !marked(id) && typeof look === 'number',
    })),
    write: {
      x: isNarrow ? (bytes) => `${(bytes / 1e3).toFixed(2)} kB` : formatBytes,
      y: (value) => trimZeros(formatScientific(value)),
    },
  }
}
