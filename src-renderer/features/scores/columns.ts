import { layerScores, ranksOf, spearman } from '../../../src-preload/contract/layer-scores.ts'
import type { MethodSummary, ScoreResult, ScoreUnit } from '../../../src-preload/contract/methods.ts'
import type { LayerSummary } from '../../../src-preload/contract/model.ts'
import type { LayerOptions } from '../../stores/project.ts'

/** Layers by value and by rank, 1 for the highest. */
export interface Column {
  id: string // the score's
  title: string
  per: ScoreUnit
  values: ReadonlyMap<string, number>
  ranks: ReadonlyMap<string, number>
  result: ScoreResult
}

const ranked = (values: ReadonlyMap<string, number>): Map<string, number> => {
  const names = [...values.keys()]
  const ranks = ranksOf([...values.values()])
  return new Map(names.map((name, at) => [name, ranks[at] ?? 0]))
}

/** One column for each score that was measured, in the registry's order. */
export function columnsOf(
  methods: readonly MethodSummary[],
  results: readonly ScoreResult[],
  layers: readonly LayerSummary[],
): Column[] {
  const known = methods.filter(({ family }) => family === 'score')
  const place = ({ method }: ScoreResult): number => known.findIndex(({ id }) => id === method)
  return results
    .filter((result, at) => results.findLastIndex(({ method }) => method === result.method) === at)
    .sort((a, b) => place(a) - place(b))
    .map((result) => {
      const values = layerScores(layers, result)
      const title = known.find(({ id }) => id === result.method)?.title ?? result.method
      return { id: result.method, title, per: result.per, values, ranks: ranked(values), result }
    })
}

/** Without what stands in brackets, behind a comma or behind 'of', where a head of a table has no room. */
export const shortTitle = (title: string): string => {
  const inBrackets = /\(([^)]{2,12})\)\s*$/.exec(title)?.[1]
  return inBrackets ?? title.split(/[,(:]| of /)[0]?.trim() ?? title
}

/** A layer's name without what nearly all have in common; the whole one stands in the tip. */
export const shortName = (name: string): string => name.replace(/^model\./, '').replace(/\.weight(?=,|$)/, '')

/** How far down a rank is: 0 of the highest, 1 of the lowest. */
export const placeOf = (rank: number, count: number): number => (count > 1 ? (rank - 1) / (count - 1) : 0)

export interface Width {
  bits: number
  losses: ReadonlyMap<string, number> // measured, by layer
}

/** Widths that were measured on three layers or more, narrow to wide, each with its losses: of several options of a width
 *  the first one of a layer. */
export function widthsOf(options: readonly LayerOptions[]): Width[] {
  const found = new Map<number, Map<string, number>>()
  for (const { name, options: own } of options)
    for (const { bits, loss, method } of own) {
      if (method === 'keep' || loss === null) continue
      const losses = found.get(bits) ?? new Map<string, number>()
      if (!losses.has(name)) losses.set(name, loss)
      found.set(bits, losses)
    }
  return [...found]
    .filter(([, losses]) => losses.size >= 3)
    .sort(([a], [b]) => a - b)
    .map(([bits, losses]) => ({ bits, losses }))
}

/** The width asked for, or the one nearest to 3 bits of those that most layers were measured at. */
export function chosenWidth(widths: readonly Width[], asked: number | null): Width | null {
  const exact = widths.find(({ bits }) => bits === asked)
  if (exact) return exact
  const most = Math.max(0, ...widths.map(({ losses }) => losses.size))
  const whole = widths.filter(({ losses }) => losses.size === most)
  return whole.sort((a, b) => Math.abs(a.bits - 3) - Math.abs(b.bits - 3))[0] ?? null
}

export interface Agreement {
  id: string
  title: string
  rho: number | null
  count: number // things compared
  unit: 'block' | 'layer'
}

/** Spearman of each score against measured losses, best first. A score of blocks is held against the summed losses of each
 *  block's layers; every other one against those of layers. */
export function agreements(
  columns: readonly Column[],
  losses: ReadonlyMap<string, number>,
  layers: readonly LayerSummary[],
): Agreement[] {
  const byBlock = new Map<string, number>()
  for (const { name, block } of layers) {
    const loss = losses.get(name)
    if (block !== null && loss !== undefined) byBlock.set(`${block}`, (byBlock.get(`${block}`) ?? 0) + loss)
  }
  return columns
    .map(({ id, title, per, values, result }): Agreement => {
      const own = per === 'block' ? new Map(result.values.map(({ key, value }) => [key, value])) : values
      const against = per === 'block' ? byBlock : losses
      const keys = [...own.keys()].filter((key) => against.has(key))
      const rho = spearman(
        keys.map((key) => own.get(key) ?? 0),
        keys.map((key) => against.get(key) ?? 0),
      )
      return { id, title, rho, count: keys.length, unit: per === 'block' ? 'block' : 'layer' }
    })
    .sort((a, b) => (b.rho ?? -2) - (a.rho ?? -2))
}
