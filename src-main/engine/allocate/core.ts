import type { Fronts } from './hull.ts'
import type { Relaxation } from './relaxation.ts'
import { bestStart } from './start.ts'

/** A layer whose choice is still open around the relaxation. Efficiencies are of its nearest hull steps. */
interface Candidate {
  layer: number
  current: number // option the relaxation takes
  up: number // loss saved per byte by the next step up; 0 without one
  down: number // loss saved per byte by the last step taken; Infinity without one
}

/** A stage of the dynamic program, kept for walking back. */
interface Stage {
  layer: number
  parent: Int32Array
  option: Int32Array
}

export interface CoreResult {
  chosen: Map<number, number> // layer -> option, where it differs from the relaxation
  optimal: boolean
  gap: number
}

/** Exact completion of the relaxation: Pisinger 1995, "A minimal algorithm for the multiple-choice knapsack problem".
 *  States are deviations (bytes w, loss p) from the relaxed choice, without dominated ones. Layers are added by the
 *  distance of their nearest hull step from the price, so that a layer is looked at only if it can still matter:
 *  a state with slack s = budget - bytes cannot end below  p - up * s      (s >= 0: the rest saves at most `up` a byte)
 *                                                     or   p + down * -s   (s < 0:  the rest costs at least `down` a byte)
 *  and is dropped when that is no better than the best complete choice. `limit` bounds the comparisons made. */
export function completeExactly(fronts: Fronts, relaxed: Relaxation, slack: number, limit: number): CoreResult {
  const tolerance = Math.abs(relaxed.loss) * 2 ** -46
  const start = bestStart(fronts, relaxed, slack)
  let best = start.loss // loss relative to the relaxed choice, <= 0
  let found: { stage: number; index: number } | null = null

  const candidates = openLayers(fronts, relaxed, best + relaxed.price * slack)
  const [ups, downs] = remainingSteps(candidates)
  const stages: Stage[] = []
  let bytes = Float64Array.of(0)
  let loss = Float64Array.of(0)
  let work = 0
  let k = 0
  for (; k < candidates.length && loss.length > 0; k++) {
    const { layer, current } = candidates[k] as Candidate
    const options = optionsWithin(fronts, relaxed.price, layer, current, best + relaxed.price * slack)
    if (options.length === 1) continue // since the best choice improved, the layer is settled
    work += bytes.length * options.length * options.length
    if (work > limit) break
    const up = ups[k + 1] ?? 0
    const down = downs[k + 1] ?? Infinity
    const room = options.length * bytes.length
    const next = { bytes: new Float64Array(room), loss: new Float64Array(room) }
    const stage: Stage = { layer, parent: new Int32Array(room), option: new Int32Array(room) }
    const heads = new Int32Array(options.length)
    let kept = 0
    let lowest = Infinity
    for (let merged = 0; merged < room; merged++) {
      let [from, w, p] = [0, Infinity, Infinity]
      for (let o = 0; o < options.length; o++) {
        const head = heads[o] ?? 0
        if (head >= bytes.length) continue
        const option = options[o] as Move
        const nextBytes = (bytes[head] ?? 0) + option.bytes
        if (nextBytes > w) continue
        const nextLoss = (loss[head] ?? 0) + option.loss
        if (nextBytes === w && nextLoss >= p) continue
        ;[from, w, p] = [o, nextBytes, nextLoss]
      }
      const head = heads[from] ?? 0
      heads[from] = head + 1
      if (p >= lowest) continue
      lowest = p
      const left = slack - w
      const bound = left >= 0 ? p - up * left : p - down * left
      if (left >= 0 && p < best) {
        best = p
        found = { stage: stages.length, index: kept }
      } else if (!(bound < best - tolerance)) continue
      next.bytes[kept] = w
      next.loss[kept] = p
      stage.parent[kept] = head
      stage.option[kept] = (options[from] as Move).option
      kept++
    }
    bytes = next.bytes.subarray(0, kept)
    loss = next.loss.subarray(0, kept)
    stages.push(stage)
  }

  let bound = best
  if (k < candidates.length)
    for (let i = 0; i < loss.length; i++) {
      const left = slack - (bytes[i] ?? 0)
      bound = Math.min(bound, (loss[i] ?? 0) - (left >= 0 ? (ups[k] ?? 0) : (downs[k] ?? Infinity)) * left)
    }
  const gap = Math.min(best - bound, best + relaxed.price * slack)
  const chosen = found === null ? start.chosen : walkBack(stages, found.stage, found.index)
  return { chosen, optimal: gap <= tolerance, gap: gap <= tolerance ? 0 : gap }
}

interface Move {
  option: number
  bytes: number
  loss: number
}

/** Options whose reduced cost, loss + price * bytes against the relaxed choice, leaves room for an improvement. */
function optionsWithin(fronts: Fronts, price: number, layer: number, current: number, room: number): Move[] {
  const moves: Move[] = []
  for (let option = fronts.first[layer] ?? 0; option < (fronts.first[layer + 1] ?? 0); option++) {
    const bytes = (fronts.bytes[option] ?? 0) - (fronts.bytes[current] ?? 0)
    const loss = (fronts.loss[option] ?? 0) - (fronts.loss[current] ?? 0)
    if (option === current || loss + price * bytes < room) moves.push({ option, bytes, loss })
  }
  return moves
}

function openLayers(fronts: Fronts, { price, at }: Relaxation, room: number): Candidate[] {
  const { first, firstVertex, vertex, efficiency, bytes, loss } = fronts
  const candidates: Candidate[] = []
  for (let layer = 0; layer < fronts.layers; layer++) {
    const v = at[layer] ?? 0
    const current = vertex[v] ?? 0
    const own = (loss[current] ?? 0) + price * (bytes[current] ?? 0)
    let open = false
    for (let option = first[layer] ?? 0; option < (first[layer + 1] ?? 0) && !open; option++)
      open = option !== current && (loss[option] ?? 0) + price * (bytes[option] ?? 0) - own < room
    if (!open) continue
    const up = v + 1 < (firstVertex[layer + 1] ?? 0) ? (efficiency[v + 1] ?? 0) : 0
    candidates.push({ layer, current, up, down: efficiency[v] ?? Infinity })
  }
  const distance = ({ up, down }: Candidate) => Math.min(Math.abs(price - up), Math.abs(down - price))
  return candidates.sort((a, b) => distance(a) - distance(b) || a.layer - b.layer)
}

/** Best step up and cheapest step down among candidates k, k + 1, ... */
function remainingSteps(candidates: Candidate[]): [Float64Array, Float64Array] {
  const ups = new Float64Array(candidates.length + 1)
  const downs = new Float64Array(candidates.length + 1).fill(Infinity)
  for (let k = candidates.length - 1; k >= 0; k--) {
    ups[k] = Math.max(ups[k + 1] ?? 0, candidates[k]?.up ?? 0)
    downs[k] = Math.min(downs[k + 1] ?? Infinity, candidates[k]?.down ?? Infinity)
  }
  return [ups, downs]
}

function walkBack(stages: Stage[], stage: number, index: number): Map<number, number> {
  const chosen = new Map<number, number>()
  for (let s = stage; s >= 0; s--) {
    const { layer, parent, option } = stages[s] as Stage
    chosen.set(layer, option[index] ?? 0)
    index = parent[index] ?? 0
  }
  return chosen
}
