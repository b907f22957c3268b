import type { ScoreResult } from './methods.ts'
import type { LayerSummary } from './model.ts'

type Placed = Pick<LayerSummary, 'name' | 'block' | 'expert'>

/** The part of a finer key before its index: '<layer or block>/<index>'. */
const ownerOf = (key: string): string => {
  const at = key.lastIndexOf('/')
  return at < 0 ? key : key.slice(0, at)
}

/** A score's value of each layer: its own; its block's; its expert's; or the mean over its channels, heads or experts (those of
 *  its block where they are named by block). Layers that it says nothing of are left out. */
export function layerScores(layers: readonly Placed[], { per, values }: Pick<ScoreResult, 'per' | 'values'>) {
  const sums = new Map<string, { sum: number; count: number }>()
  const names = new Set(layers.map(({ name }) => name))
  for (const { key, value } of values) {
    const owner = per === 'layer' || per === 'block' || names.has(key) ? key : ownerOf(key)
    const known = sums.get(owner) ?? { sum: 0, count: 0 }
    sums.set(owner, { sum: known.sum + value, count: known.count + 1 })
  }
  const experts = new Map(per === 'expert' ? values.map(({ key, value }) => [key, { sum: value, count: 1 }]) : [])
  const found = new Map<string, number>()
  for (const { name, block, expert } of layers) {
    const own =
      sums.get(name) ??
      experts.get(`${block}/${expert}`) ??
      (block === null || per === 'layer' ? undefined : sums.get(`${block}`))
    if (own) found.set(name, own.sum / own.count)
  }
  return found
}

/** 1 for the highest value; equal ones share the mean of their places. */
export function ranksOf(values: readonly number[]): number[] {
  const order = values.map((_, index) => index).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0))
  const ranks = new Array<number>(values.length).fill(0)
  for (let from = 0; from < order.length;) {
    const value = values[order[from] ?? 0]
    let to = from
    while (to < order.length && values[order[to] ?? 0] === value) to++
    for (let at = from; at < to; at++) ranks[order[at] ?? 0] = (from + to + 1) / 2
    from = to
  }
  return ranks
}

/** Spearman's rank correlation (Pearson's of the ranks, ties shared); null below three pairs, or where one side is constant. */
export function spearman(a: readonly number[], b: readonly number[]): number | null {
  if (a.length < 3 || a.length !== b.length) return null
  const [x, y] = [ranksOf(a), ranksOf(b)]
  const middle = (a.length + 1) / 2
  let [xy, xx, yy] = [0, 0, 0]
  for (let at = 0; at < x.length; at++) {
    const [p, q] = [(x[at] ?? 0) - middle, (y[at] ?? 0) - middle]
    xy += p * q
    xx += p * p
    yy += q * q
  }
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : null
}
