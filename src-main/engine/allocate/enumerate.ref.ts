import type { Problem } from './define.ts'
import { totalsOf, within } from './limits.ts'

/** Plain twin of every allocator: all choices of a small problem, the least objective within the bounds, pairs counted.
 *  Null when no choice keeps to them. */
export function enumerate(problem: Problem): { choice: Int32Array; objective: number } | null {
  const { layers, objective } = problem
  const choice = new Int32Array(layers.length)
  let best: { choice: Int32Array; objective: number } | null = null
  for (;;) {
    const totals = totalsOf(problem, choice)
    if (within(totals, problem) && (best === null || totals[objective] < best.objective))
      best = { choice: choice.slice(), objective: totals[objective] }
    let layer = 0
    while (layer < layers.length && (choice[layer] ?? 0) + 1 === layers[layer]?.bytes.length) choice[layer++] = 0
    if (layer === layers.length) return best
    choice[layer] = (choice[layer] ?? 0) + 1
  }
}
