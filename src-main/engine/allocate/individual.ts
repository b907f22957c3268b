import type { Problem } from './define.ts'
import { type Limits, pairLoss, type Totals, totalsOf } from './limits.ts'
import type { numbers } from './random.ts'

/** Limits as shares, so that one number says how far a choice is outside all of them. */
export const excessOf = (
  totals: Totals,
  { maxBytes = Infinity, maxLoss = Infinity, maxSeconds = Infinity }: Limits,
): number => over(totals.bytes, maxBytes) + over(totals.loss, maxLoss) + over(totals.seconds ?? 0, maxSeconds)

const over = (value: number, limit: number): number =>
  value > limit ? (value - limit) / Math.max(Math.abs(limit), Number.MIN_VALUE) : 0

export type Neighbours = readonly { other: number; rho: number }[][]

/** For each layer the others that its error meets. */
export function neighboursOf({ layers, pairs = [] }: Pick<Problem, 'layers' | 'pairs'>): Neighbours {
  const around = layers.map((): { other: number; rho: number }[] => [])
  for (const { a, b, rho } of pairs) {
    around[a]?.push({ other: b, rho })
    around[b]?.push({ other: a, rho })
  }
  return around
}

/** A choice that is changed one layer at a time, with its totals kept along. */
export class Individual {
  readonly choice: Int32Array
  totals: Totals
  private readonly problem: Problem
  private readonly around: Neighbours

  constructor(problem: Problem, around: Neighbours, choice: Int32Array) {
    this.problem = problem
    this.around = around
    this.choice = choice
    this.totals = totalsOf(problem, choice)
  }

  /** What the totals would be. */
  with(layer: number, option: number): Totals {
    const { bytes, loss, seconds } = this.problem.layers[layer] ?? { bytes: [], loss: [] }
    const now = this.choice[layer] ?? 0
    const [own = 0, other = 0] = [loss[now], loss[option]]
    let change = other - own
    for (const pair of this.around[layer] ?? []) {
      const meets = this.problem.layers[pair.other]?.loss[this.choice[pair.other] ?? 0] ?? 0
      change += pairLoss(pair.rho, other, meets) - pairLoss(pair.rho, own, meets)
    }
    const time = this.totals.seconds
    return {
      bytes: this.totals.bytes + (bytes[option] ?? 0) - (bytes[now] ?? 0),
      loss: this.totals.loss + change,
      seconds: time === null ? null : time + (seconds?.[option] ?? 0) - (seconds?.[now] ?? 0),
    }
  }

  set(layer: number, option: number, totals = this.with(layer, option)): void {
    this.totals = totals
    this.choice[layer] = option
  }

  /** Without the rounding that changes leave behind. */
  settle(): this {
    this.totals = totalsOf(this.problem, this.choice)
    return this
  }

  /** Back within the limits: of some layers drawn at random, the change that takes away most excess per objective lost. */
  repair({ below }: ReturnType<typeof numbers>): void {
    const { layers, objective } = this.problem
    let failed = 0
    for (let tries = 0; tries < 40 * layers.length; tries++) {
      const excess = excessOf(this.totals, this.problem)
      if (excess === 0) return
      let [best, layer, option]: [number, number, number] = [0, -1, -1]
      let totals = this.totals
      for (let drawn = 0; drawn < 4; drawn++) {
        const i = below(layers.length)
        const count = layers[i]?.bytes.length ?? 0
        for (let o = 0; o < count; o++) {
          const after = this.with(i, o)
          const gain = excess - excessOf(after, this.problem)
          if (!(gain > 0)) continue
          const price =
            Math.max(after[objective] - this.totals[objective], 0) + 1e-12 * Math.abs(this.totals[objective])
          const value = gain / (price + Number.MIN_VALUE)
          if (value > best) [best, layer, option, totals] = [value, i, o, after]
        }
      }
      failed = layer < 0 ? failed + 1 : 0
      if (layer >= 0) this.set(layer, option, totals)
      else if (failed > layers.length) return // no layer helps any more: the limits may contradict each other
    }
  }

  /** Spends what the limits leave: layers drawn at random take their best option within them. */
  fill({ below }: ReturnType<typeof numbers>, layersTried: number): void {
    const { layers, objective } = this.problem
    for (let tried = 0; tried < layersTried; tried++) {
      const i = below(layers.length)
      let [option, totals] = [-1, this.totals]
      for (let o = 0; o < (layers[i]?.bytes.length ?? 0); o++) {
        const after = this.with(i, o)
        if (after[objective] < totals[objective] && excessOf(after, this.problem) === 0) [option, totals] = [o, after]
      }
      if (option >= 0) this.set(i, option, totals)
    }
  }
}
