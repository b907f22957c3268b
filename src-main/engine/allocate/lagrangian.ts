// Two limits at once, relaxed into prices: a bound for all choices, and for each option what taking it costs beyond that bound.
//   L(p) = sum_i min_o (c[i, o] + sum_q p_q q[i, o]) - sum_q p_q limit_q  <=  every choice within the limits, for any p >= 0
//   reduced cost r[i, o] = c + sum_q p_q q - its layer's least: a choice with option o costs at least L(p) + r[i, o]
//   Fisher 1981, "The Lagrangian relaxation method for solving integer programming problems", sections 3 and 5 (fixing by
//   reduced cost). The best prices: for each price of one quantity the knapsack's linear relaxation gives the best of the other
//   at once, and the bound is concave in the first, which a golden section search climbs.
import type { Choices } from './define.ts'
import { frontsOf } from './hull.ts'
import { totalsOf } from './limits.ts'
import type { Quantity } from './priced.ts'
import { of, type Task } from './program.ts'
import { lowerBound, stepsOf, stepsWithin } from './relaxation.ts'

export interface Dual {
  bound: number // no choice within the limits has a smaller objective
  reduced: Float64Array[] // [layers][options], >= 0
}

const ROUNDS = 48
const RATIO = (Math.sqrt(5) - 1) / 2

/** The bound of the best prices. Null with pairs, with other than two limited quantities beside the objective, and where one
 *  limit alone cannot be kept. */
export function dualOf({ layers, pairs, minimise, limits }: Task): Dual | null {
  const limited = (Object.keys(limits) as Quantity[]).filter((quantity) => quantity !== minimise)
  const [inner, outer] = limited
  if (inner === undefined || outer === undefined || pairs.length > 0 || layers.length === 0) return null
  const base = layers.map((layer) => Math.min(...of(layer, inner)))
  const sizes = layers.map((layer, i) => of(layer, inner).map((value) => value - (base[i] ?? 0)))
  const room = (limits[inner] ?? 0) - base.reduce((sum, value) => sum + value, 0)
  if (room < 0) return null
  const at = (price: number): { value: number; inner: number } => {
    const fronts = frontsOf(layers.map((layer, i) => ({ bytes: sizes[i] ?? layer.bytes, loss: priced(layer, price) })))
    const steps = stepsOf(fronts)
    const value = lowerBound(fronts, steps, room) - price * (limits[outer] ?? 0)
    return { value, inner: fronts.efficiency[steps.vertex[stepsWithin(steps, room)] ?? -1] ?? 0 }
  }
  const priced = (layer: Choices, price: number): Float64Array => {
    const [cost, other] = [of(layer, minimise), of(layer, outer)]
    return cost.map((value, o) => value + price * (other[o] ?? 0))
  }
  const unit = spread(layers, minimise) / (spread(layers, outer) || 1)
  const price = climb((exponent) => at(unit * 10 ** exponent).value, -7, 5)
  const best = at(0).value >= at(unit * 10 ** price).value ? 0 : unit * 10 ** price
  return priceAll({ layers, minimise }, [
    { quantity: inner, price: at(best).inner, limit: limits[inner] ?? 0 },
    { quantity: outer, price: best, limit: limits[outer] ?? 0 },
  ])
}

const spread = (layers: readonly Choices[], quantity: Quantity): number =>
  layers.reduce((sum, layer) => sum + Math.max(...of(layer, quantity)) - Math.min(...of(layer, quantity)), 0)

/** Where a function that rises and then falls is largest. */
function climb(f: (x: number) => number, from: number, to: number): number {
  let [low, high] = [from, to]
  let [a, b] = [high - RATIO * (high - low), low + RATIO * (high - low)]
  let [atA, atB] = [f(a), f(b)]
  for (let round = 0; round < ROUNDS; round++) {
    if (atA < atB) {
      ;[low, a, atA] = [a, b, atB]
      b = low + RATIO * (high - low)
      atB = f(b)
    } else {
      ;[high, b, atB] = [b, a, atA]
      a = high - RATIO * (high - low)
      atA = f(a)
    }
  }
  return (low + high) / 2
}

/** Bound and reduced costs at given prices; valid whatever these are. */
function priceAll(
  { layers, minimise }: Pick<Task, 'layers' | 'minimise'>,
  prices: readonly { quantity: Quantity; price: number; limit: number }[],
): Dual {
  let bound = -prices.reduce((sum, { price, limit }) => sum + (price === 0 ? 0 : price * limit), 0)
  const reduced = layers.map((layer) => {
    const costs = of(layer, minimise).slice()
    for (const { quantity, price } of prices) {
      const values = of(layer, quantity)
      for (let o = 0; o < costs.length; o++) costs[o] = (costs[o] ?? 0) + price * (values[o] ?? 0)
    }
    const least = costs.reduce((a, b) => Math.min(a, b), Infinity)
    bound += least
    return costs.map((cost) => cost - least)
  })
  return { bound, reduced }
}

const MOST_MOVES = 1_000
const MOST_ROUNDS = 60

/** Changes one layer or two at a time, each time as it helps most, among the options of least reduced cost: what prices alone
 *  leave of the limits is filled up. Expects a choice within the limits, gives one. */
export function polish(task: Task, { reduced, bound }: Dual, begin: Int32Array): Int32Array {
  const { layers, minimise, limits } = task
  const limited = Object.keys(limits) as Quantity[]
  const columns = [minimise, ...limited]
  const near = layers
    .flatMap((_, layer) => Array.from(reduced[layer] ?? [], (cost, option) => ({ layer, option, cost })))
    .sort((a, b) => a.cost - b.cost)
    .slice(0, MOST_MOVES + layers.length)
  const choice = begin.slice()
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const totals = totalsOf(task, choice)
    const room = limited.map((quantity) => (limits[quantity] ?? Infinity) - (totals[quantity] ?? 0))
    // A better choice has no option of a larger reduced cost than what there is to win.
    const most = (totals[minimise] ?? 0) - bound
    const moves = near.filter(({ layer, option, cost }) => choice[layer] !== option && cost <= most)
    const change = columns.map((quantity) =>
      Float64Array.from(moves, ({ layer, option }) => {
        const values = of(layers[layer] as Choices, quantity)
        return (values[option] ?? 0) - (values[choice[layer] ?? 0] ?? 0)
      }),
    )
    const places = Int32Array.from(moves, ({ layer }) => layer)
    const found = bestChange(places, change, room)
    if (found === null || !(found.gain > 1e-12 * Math.abs(totals[minimise] ?? 0))) break
    const before = choice.slice()
    for (const at of found.moves) choice[moves[at]?.layer ?? 0] = moves[at]?.option ?? 0
    const after = totalsOf(task, choice)
    const holds = limited.every((quantity) => (after[quantity] ?? 0) <= (limits[quantity] ?? Infinity))
    if (!holds || !((after[minimise] ?? 0) < (totals[minimise] ?? 0))) return before // added up in another order
  }
  return choice
}

/** The move, or the two moves of different layers, that save most within the room of each limit. `change`: the objective's,
 *  then each limited quantity's. */
function bestChange(
  layer: Int32Array,
  [cost = new Float64Array(), first = new Float64Array(), second]: Float64Array[],
  [room = Infinity, otherRoom = Infinity]: number[],
): { gain: number; moves: number[] } | null {
  let [gain, one, two] = [0, -1, -1]
  const other = second ?? new Float64Array(first.length)
  for (let a = 0; a < layer.length; a++) {
    const [c = 0, p = 0, q = 0] = [cost[a], first[a], other[a]]
    if (-c > gain && p <= room && q <= otherRoom) [gain, one, two] = [-c, a, -1]
    for (let b = a + 1; b < layer.length; b++) {
      const saved = -c - (cost[b] ?? 0)
      if (saved <= gain || p + (first[b] ?? 0) > room || q + (other[b] ?? 0) > otherRoom) continue
      if (layer[a] !== layer[b]) [gain, one, two] = [saved, a, b]
    }
  }
  return one < 0 ? null : { gain, moves: two < 0 ? [one] : [one, two] }
}
