// Budgeted choice of one option per layer, exact: the multiple-choice knapsack problem.
//   minimise sum loss[i, x_i] subject to sum bytes[i, x_i] <= budget
//   or, the same with the roles exchanged: minimise sum bytes[i, x_i] subject to sum loss[i, x_i] <= bound
//   Sinha & Zoltners 1979 (dominance, convex hulls, linear relaxation); Pisinger 1995 (dynamic program on a core)
//   The first is the joint optimisation by additivity of Xu et al. 2023, "Efficient Joint Optimization of Layer-Adaptive
//   Weight Pruning in Deep Neural Networks", with real losses and whole bytes in place of a quantized size axis; the second
//   the problem of L-GreCo (Markov et al. 2024, "L-GreCo: Layerwise-adaptive gradient compression for efficient
//   data-parallel deep learning"), which rounds the error axis to a grid, where this is exact.
// Once per network: O(options) for hulls, O(options log options) for the order of their steps. Per budget: O(layers x options)
// to see which layers can still matter, then a dynamic program on a few dozen of them. Needs predicted losses only.
import { z } from 'zod'
import { completeExactly } from './core.ts'
import { type Allocation, type Choices, defineAllocator } from './define.ts'
import { type Fronts, frontsOf } from './hull.ts'
import { allocationOf, checkLayer, checkProblem, infeasible, type Limits, type Totals, totalsOf } from './limits.ts'
import { lowerBound, relax, type Steps, stepsOf } from './relaxation.ts'

const WORK_LIMIT = 50_000_000 // comparisons before an adversarial instance is answered with its gap: about 0.2 s

/** Work limit for answers within a frame: about 5 ms. The gap it leaves, where it leaves one, is far below a pixel. */
export const FRAME_WORK = 1_000_000

/** A network's options made ready for many budgets. */
export interface Knapsack {
  layers: readonly Choices[]
  smallestBytes: number
  leastLoss: number
  /** The least loss within `maxBytes`. `workLimit` bounds the comparisons made. */
  solve(maxBytes: number, workLimit?: number): Allocation
  /** The fewest bytes whose loss is at most `maxLoss`, and of those the least loss. */
  fewestBytes(maxLoss: number, workLimit?: number): Allocation
  /** Both, by the objective, and within both bounds. */
  within(limits: Limits, workLimit?: number): Allocation
  /** Lower bounds on the objective of the two, without solving: microseconds. Infinity where nothing fits. */
  lossBound(maxBytes: number): number
  bytesBound(maxLoss: number): number
  curve(): Curve
}

/** Everything about the two problems that does not depend on the bound: a slider pays for it once. */
export function prepareKnapsack(layers: readonly Choices[]): Knapsack {
  layers.forEach((layer, i) => checkLayer(layer, i))
  const byBytes = prepareSide(layers)
  let other: Side | undefined // the fewest bytes are asked for less often
  const byLoss = (): Side => (other ??= prepareSide(layers.map(({ bytes, loss }) => ({ bytes: loss, loss: bytes }))))
  const smallestBytes = byBytes.least
  const leastLoss = layers.reduce((sum, { loss }) => sum + loss.reduce((a, b) => Math.min(a, b)), 0)

  const solve = (maxBytes: number, workLimit = WORK_LIMIT): Allocation => {
    if (!(smallestBytes <= maxBytes))
      throw infeasible({ objective: 'loss', maxBytes }, { maxBytes: totalsOf({ layers }, smallestOf(byBytes)) })
    const { choice, gap } = solveSide(byBytes, maxBytes, workLimit)
    return allocationOf({ layers }, choice, gap)
  }

  const fewestBytes = (maxLoss: number, workLimit = WORK_LIMIT): Allocation => {
    if (!(leastLoss <= maxLoss))
      throw infeasible({ objective: 'bytes', maxLoss }, { maxLoss: totalsOf({ layers }, smallestOf(byLoss())) })
    // The search adds losses up in another order: within a hair of the bound, the sum in order decides.
    const hair = 2 ** -40 * (Math.abs(maxLoss) + Math.abs(leastLoss))
    let found: Allocation | undefined
    for (const bound of maxLoss === Infinity ? [maxLoss] : [maxLoss + hair, maxLoss, maxLoss - hair]) {
      if (bound < byLoss().least) continue
      const { choice, gap } = solveSide(byLoss(), bound, workLimit)
      const answer = allocationOf({ layers }, choice, gap)
      if (answer.loss > maxLoss) continue
      found = answer
      break
    }
    found ??= allocationOf({ layers }, smallestOf(byLoss()), Infinity)
    const sharper = solve(found.bytes, workLimit) // of equal bytes the least loss
    return sharper.loss <= found.loss ? { ...sharper, optimal: found.optimal, gap: found.gap } : found
  }

  const answerWithin = (limits: Limits, workLimit = WORK_LIMIT): Allocation => {
    const { objective, maxBytes = Infinity, maxLoss = Infinity } = limits
    if (!(smallestBytes <= maxBytes)) {
      const nearest = leastLoss <= maxLoss ? fewestBytes(maxLoss, workLimit) : totalsOf({ layers }, smallestOf(byBytes))
      throw infeasible(limits, { maxBytes: totals(nearest) })
    }
    if (!(leastLoss <= maxLoss)) throw infeasible(limits, { maxLoss: totals(solve(maxBytes, workLimit)) })
    const byObjective = objective === 'bytes' ? fewestBytes(maxLoss, workLimit) : solve(maxBytes, workLimit)
    if (byObjective.bytes <= maxBytes && byObjective.loss <= maxLoss) return byObjective
    const other = objective === 'bytes' ? solve(maxBytes, workLimit) : fewestBytes(maxLoss, workLimit)
    if (other.bytes <= maxBytes && other.loss <= maxLoss) {
      const gap = Math.max(0, other[objective] - byObjective[objective] + byObjective.gap) // nothing was proven
      return { ...other, optimal: gap === 0, gap }
    }
    const [smallest, best] = objective === 'bytes' ? [byObjective, other] : [other, byObjective]
    throw infeasible(limits, { maxBytes: totals(smallest), maxLoss: totals(best) })
  }

  return {
    ...{ layers, smallestBytes, leastLoss, solve, fewestBytes, within: answerWithin },
    lossBound: (maxBytes) => boundOf(byBytes, maxBytes),
    bytesBound: (maxLoss) => boundOf(byLoss(), maxLoss),
    curve: () => curveOf(byBytes),
  }
}

const totals = ({ bytes, loss, seconds }: Totals): Totals => ({ bytes, loss, seconds })

/** One of the two problems: what `bytes` stands for in it is kept below a bound, what `loss` stands for made least. */
interface Side {
  fronts: Fronts
  steps: Steps
  least: number // bound below which there is no choice
}

function prepareSide(layers: readonly Choices[]): Side {
  const fronts = frontsOf(layers)
  const steps = stepsOf(fronts)
  return { fronts, steps, least: steps.bytes[0] ?? 0 }
}

const boundOf = ({ fronts, steps, least }: Side, bound: number): number =>
  least <= bound ? lowerBound(fronts, steps, bound) : Infinity

const smallestOf = ({ fronts }: Side): Int32Array =>
  Int32Array.from({ length: fronts.layers }, (_, i) => fronts.original[fronts.first[i] ?? 0] ?? 0)

function solveSide({ fronts, steps }: Side, bound: number, workLimit: number): { choice: Int32Array; gap: number } {
  const relaxed = relax(fronts, steps, bound)
  const core = completeExactly(fronts, relaxed, bound - relaxed.bytes, workLimit)
  const choice = relaxed.at.map((v, i) => fronts.original[core.chosen.get(i) ?? fronts.vertex[v] ?? 0] ?? 0)
  return { choice, gap: core.gap }
}

/** The choice of least total loss within the budget. For many budgets, prepare once. */
export const solve = (layers: readonly Choices[], maxBytes: number, workLimit?: number): Allocation =>
  prepareKnapsack(layers).solve(maxBytes, workLimit)

export interface Curve {
  bytes: Float64Array // rising
  loss: Float64Array // falling: the lower convex hull of everything that can be chosen
  /** Point k + 1 is point k with layer[k] switched to option[k] (index in that layer's options). */
  layer: Int32Array
  option: Int32Array
}

/** The whole predicted front at once: breakpoints of the linear relaxation. Between two of them the exact optimum lies at
 *  most one hull step above the line. */
export const curve = (layers: readonly Choices[]): Curve => prepareKnapsack(layers).curve()

const curveOf = ({ fronts, steps }: Side): Curve => ({
  ...{ bytes: steps.bytes, loss: steps.loss, layer: steps.layer },
  option: steps.vertex.map((v) => fronts.original[fronts.vertex[v] ?? 0] ?? 0),
})

export const knapsack = defineAllocator({
  id: 'knapsack',
  title: 'Exact budgeted choice',
  summary:
    'Picks one option per layer so that the total predicted loss is the least possible within the byte budget, or the size the least possible within a bound on the loss.',
  cite: 'Sinha & Zoltners 1979, The multiple-choice knapsack problem; Pisinger 1995, A minimal algorithm for the multiple-choice knapsack problem; Xu et al. 2023, Efficient joint optimization of layer-adaptive weight pruning; Markov et al. 2024, L-GreCo',
  formula:
    'min sum_i loss[i, x_i]  subject to  sum_i bytes[i, x_i] <= budget;  or  min sum_i bytes[i, x_i]  subject to  sum_i loss[i, x_i] <= bound',
  cost: 'O(options log options) once, then milliseconds per budget for thousands of layers',
  needs: [],
  version: 2,
  params: z.object({}),
  knows: ['objective-bytes', 'maxLoss'],
  isSwift: true,
  solve: (problem) => {
    checkProblem(problem)
    return prepareKnapsack(problem.layers).within(problem)
  },
})
