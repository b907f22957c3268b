import type { Problem } from './define.ts'
import { excessOf } from './individual.ts'
import { type Bound, bounds, type Totals } from './limits.ts'
import type { numbers } from './random.ts'

export type Quantity = 'bytes' | 'loss' | 'seconds'
export const quantityOf: Record<Bound, Quantity> = { maxBytes: 'bytes', maxLoss: 'loss', maxSeconds: 'seconds' }

/** Each layer's least  objective x noise + price x (a random mix of the limited quantities, each as a share of its limit),
 *  at the smallest price that keeps to the limits. The first `plain` ones are undisturbed, their mixes spread evenly: where
 *  two limits bind, one of these comes near the right one. */
export function pricedChoices(
  { layers, objective, ...problem }: Problem,
  count: number,
  plain: number,
  draw: ReturnType<typeof numbers>,
): Int32Array[] {
  const limited = bounds.filter((bound) => (problem[bound] ?? Infinity) < Infinity && quantityOf[bound] !== objective)
  const most = (quantity: Quantity) =>
    layers.reduce((sum, layer) => sum + Math.max(0, ...(layer[quantity] ?? [])), 0) || 1
  const scales = limited.map((bound) => most(quantityOf[bound]))
  return Array.from({ length: count }, (_, k) => {
    const noise = k < plain ? 0 : 0.5 * draw.next() ** 2
    const even = (k + 0.5) / plain
    const share = (i: number): number =>
      limited.length === 1 ? 1 : k >= plain ? draw.next() : i === 0 ? even : 1 - even
    const mix = limited.map((_, i) => share(i) / (scales[i] ?? 1))
    const values = layers.map((layer) => layer[objective].map((value) => value * Math.exp(noise * draw.normal())))
    const sizes = layers.map((layer) =>
      layer.bytes.map((_, o) =>
        limited.reduce((sum, bound, i) => sum + (mix[i] ?? 0) * (layer[quantityOf[bound]]?.[o] ?? 0), 0),
      ),
    )
    const at = (price: number): Int32Array =>
      Int32Array.from(layers, (_, i) => {
        let [best, least] = [0, Infinity]
        values[i]?.forEach((value, o) => {
          const cost = value + price * (sizes[i]?.[o] ?? 0)
          if (cost < least) [best, least] = [o, cost]
        })
        return best
      })
    const fits = (price: number) => excessOf(additive(layers, at(price)), { objective, ...problem }) === 0
    if (limited.length === 0 || fits(0)) return at(0)
    let [low, high] = [1e-9 * most(objective), 1e9 * most(objective)]
    for (let half = 0; half < 40; half++) {
      const middle = Math.sqrt(low) * Math.sqrt(high)
      if (fits(middle)) high = middle
      else low = middle
    }
    return at(high)
  })
}

function additive(layers: Problem['layers'], choice: Int32Array): Totals {
  const totals = { bytes: 0, loss: 0, seconds: 0 }
  layers.forEach(({ bytes, loss, seconds }, i) => {
    const option = choice[i] ?? 0
    totals.bytes += bytes[option] ?? 0
    totals.loss += loss[option] ?? 0
    totals.seconds += seconds?.[option] ?? 0
  })
  return totals
}

const ROUNDS = 150

/** Each layer's least  objective + sum of price x limited quantity, with prices that rise where a limit is broken and fall
 *  where it is not, by smaller and smaller factors (subgradient ascent of the Lagrangian dual, in the logarithm of prices).
 *  The best of the choices on the way that keep to the limits; null where none does. */
export function balancedChoice({ layers, objective, ...problem }: Problem): Int32Array | null {
  const limited = bounds.filter((bound) => (problem[bound] ?? Infinity) < Infinity && quantityOf[bound] !== objective)
  const sum = (quantity: Quantity) =>
    layers.reduce((total, layer) => total + Math.max(...(layer[quantity] ?? [0])), 0) || 1
  const prices = limited.map((bound) => sum(objective) / sum(quantityOf[bound]))
  let [best, value, factor]: [Int32Array | null, number, number] = [null, Infinity, 4]
  for (let round = 0; round < ROUNDS; round++) {
    const choice = Int32Array.from(layers, (layer) => {
      let [option, least] = [0, Infinity]
      for (let o = 0; o < layer.bytes.length; o++) {
        let cost = layer[objective][o] ?? 0
        for (let k = 0; k < limited.length; k++)
          cost += (prices[k] ?? 0) * (layer[quantityOf[limited[k] ?? 'maxBytes']]?.[o] ?? 0)
        if (cost < least) [option, least] = [o, cost]
      }
      return option
    })
    const totals = additive(layers, choice)
    if (excessOf(totals, { objective, ...problem }) === 0 && totals[objective] < value)
      [best, value] = [choice, totals[objective]]
    limited.forEach((bound, k) => {
      const broken = (totals[quantityOf[bound]] ?? 0) > (problem[bound] ?? Infinity)
      prices[k] = (prices[k] ?? 0) * (broken ? factor : 1 / factor)
    })
    factor **= 0.95
  }
  return best
}
