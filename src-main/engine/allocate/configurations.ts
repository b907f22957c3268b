// Depth: the best of several networks, each with other blocks left out and a problem of its own.
//   min over configurations c of  loss_c + min { sum loss[i, x_i] : base_c + sum bytes[i, x_i] <= budget }
// A configuration's linear relaxation bounds what it can reach, in microseconds. They are solved by rising bound, and those
// whose bound is no better than the best answer so far are not solved at all: usually one or two are.
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Allocation, Allocator, Problem } from './define.ts'
import { type Knapsack, prepareKnapsack } from './knapsack.ts'
import { type Bound, infeasible, type Limits, type Totals } from './limits.ts'

export interface Configuration {
  problem: Pick<Problem, 'layers' | 'pairs' | 'measured'> // of the layers that are left
  loss: number // of the removed blocks
  baseBytes: number // of everything that is not chosen
  baseSeconds?: number
}

/** `allocation` is of the configuration's layers; its bytes, loss and seconds count the configuration's own. */
export interface Configured {
  index: number
  allocation: Allocation
  solved: number // configurations that had to be solved
}

export interface EnvelopePoint {
  bytes: number
  loss: number
  index: number // configuration
  step: number // steps of its curve that are taken
}

export interface PreparedConfigurations {
  knapsacks: readonly Knapsack[]
  solve(limits: Limits, workLimit?: number): Configured
  /** The points of all curves that no other one beats in both: the whole predicted front, bytes rising and loss falling. */
  envelope(): EnvelopePoint[]
}

/** For a slider: everything that does not depend on the budget is done once. */
export function prepareConfigurations(configurations: readonly Configuration[]): PreparedConfigurations {
  const knapsacks = configurations.map(({ problem }) => prepareKnapsack(problem.layers))
  return {
    knapsacks,
    solve: (limits, workLimit) => {
      const search = startSearch(configurations, knapsacks, limits)
      for (const index of search.order) {
        if (search.isBeaten(index)) break
        try {
          search.see(index, (knapsacks[index] as Knapsack).within(search.limitsOf(index), workLimit))
        } catch (error) {
          search.refused(index, error)
        }
      }
      return search.result()
    },
    envelope: () => envelopeOf(configurations, knapsacks),
  }
}

/** The same with any allocator: time limits, pairs. */
export async function solveConfigurations(
  configurations: readonly Configuration[],
  limits: Limits & Pick<Problem, 'seed'>,
  allocator: Pick<Allocator, 'solve'>,
  parameters: Parameters<Allocator['solve']>[1],
): Promise<Configured> {
  const knapsacks = configurations.map(({ problem }) => prepareKnapsack(problem.layers))
  const search = startSearch(configurations, knapsacks, limits)
  const { seed } = limits
  for (const index of search.order) {
    if (search.isBeaten(index)) break
    const { problem: own = { layers: [] } } = configurations[index] ?? {}
    const problem = { ...own, ...search.limitsOf(index), ...(seed !== undefined && { seed }) }
    try {
      search.see(index, await allocator.solve(problem, parameters))
    } catch (error) {
      search.refused(index, error)
    }
  }
  return search.result()
}

interface Search {
  order: number[] // configurations by rising bound
  limitsOf(index: number): Limits // what is left for its layers
  isBeaten(index: number): boolean
  see(index: number, found: Allocation): void
  refused(index: number, error: unknown): void
  result(): Configured
}

function startSearch(all: readonly Configuration[], knapsacks: readonly Knapsack[], limits: Limits): Search {
  const { objective } = limits
  let best: Configured | null = null
  let [lower, solved] = [Infinity, 0] // proven bound of what was solved
  const nearest: Partial<Record<Bound, Totals>> = {}
  const limitsOf = (index: number) => limitsLeft(limits, all[index] as Configuration)
  const bounds = all.map((configuration, index) =>
    boundOf(configuration, knapsacks[index] as Knapsack, limitsOf(index)),
  )
  const bound = (index: number): number => bounds[index] ?? Infinity
  const order = all
    .map((_, index) => index)
    .sort((a, b) => (bound(a) < bound(b) ? -1 : bound(a) > bound(b) ? 1 : a - b))
  return {
    order,
    limitsOf,
    isBeaten: (index) => best !== null && !(bound(index) < best.allocation[objective]),
    see: (index, found) => {
      solved++
      const allocation = { ...found, ...withOwn(found, all[index] as Configuration) }
      lower = Math.min(lower, allocation[objective] - found.gap)
      if (best === null || allocation[objective] < best.allocation[objective]) best = { index, allocation, solved }
    },
    refused: (index, error) => {
      solved++
      if (!(error instanceof Fault) || error.code !== 'infeasible') throw error
      const found = (error.data?.nearest ?? {}) as unknown as Partial<Record<Bound, Totals>>
      for (const [name, plan] of Object.entries(found) as [Bound, Totals][]) {
        const totals = withOwn(plan, all[index] as Configuration)
        const known = nearest[name]
        if (known === undefined || valueOf(totals, name) < valueOf(known, name)) nearest[name] = totals
      }
    },
    result: () => {
      if (best === null) throw infeasible(limits, nearest)
      const { index, allocation } = best
      const gap = Math.max(0, allocation[objective] - lower)
      return { index, allocation: { ...allocation, gap, optimal: gap === 0 }, solved }
    },
  }
}

function limitsLeft(limits: Limits, { loss, baseBytes, baseSeconds = 0 }: Configuration): Limits {
  const { objective, maxBytes, maxLoss, maxSeconds } = limits
  return {
    objective,
    ...(maxBytes !== undefined && { maxBytes: maxBytes - baseBytes }),
    ...(maxLoss !== undefined && { maxLoss: maxLoss - loss }),
    ...(maxSeconds !== undefined && { maxSeconds: maxSeconds - baseSeconds }),
  }
}

/** No choice in this configuration has a smaller objective. */
function boundOf({ problem, loss, baseBytes }: Configuration, knapsack: Knapsack, left: Limits): number {
  const { objective, maxBytes = Infinity, maxLoss = Infinity } = left
  // Pairs of negative rho may undercut what the layers lose alone: then losses bound nothing.
  const additive = problem.pairs?.every(({ rho }) => rho >= 0) ?? true
  if (objective === 'loss') return additive ? loss + knapsack.lossBound(maxBytes) : -Infinity
  return baseBytes + (additive ? knapsack.bytesBound(maxLoss) : knapsack.smallestBytes)
}

const withOwn = ({ bytes, loss, seconds }: Totals, own: Configuration): Totals => ({
  bytes: bytes + own.baseBytes,
  loss: loss + own.loss,
  seconds: seconds === null ? null : seconds + (own.baseSeconds ?? 0),
})

const valueOf = ({ bytes, loss, seconds }: Totals, bound: Bound): number =>
  ({ maxBytes: bytes, maxLoss: loss, maxSeconds: seconds ?? Infinity })[bound]

function envelopeOf(all: readonly Configuration[], knapsacks: readonly Knapsack[]): EnvelopePoint[] {
  const points = all.flatMap(({ loss, baseBytes }, index) => {
    const curve = (knapsacks[index] as Knapsack).curve()
    return Array.from(curve.bytes, (bytes, step) => ({
      ...{ bytes: bytes + baseBytes, loss: (curve.loss[step] ?? 0) + loss },
      ...{ index, step },
    }))
  })
  points.sort((a, b) => a.bytes - b.bytes || a.loss - b.loss || a.index - b.index)
  let lowest = Infinity
  return points.filter(({ loss }) => {
    if (!(loss < lowest)) return false
    lowest = loss
    return true
  })
}
