// Budgeted choice of one option per layer, exact: the multiple-choice knapsack problem.
//   minimise sum loss[i, x_i] subject to sum bytes[i, x_i] <= budget
//   Sinha & Zoltners 1979 (dominance, convex hulls, linear relaxation); Pisinger 1995 (dynamic program on a core)
//   This is the joint optimisation by additivity of Xu et al. 2023, "Efficient Joint Optimization of Layer-Adaptive
//   Weight Pruning in Deep Neural Networks", with real losses and whole bytes in place of a quantized size axis.
// Cost O(options) for hulls, O(options log) for the price, then a core of a few dozen layers. Needs predicted losses only.
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { completeExactly } from './core.ts'
import { type Allocation, type Choices, defineAllocator } from './define.ts'
import { type Fronts, frontsOf } from './hull.ts'
import { relax } from './relaxation.ts'

const WORK_LIMIT = 50_000_000 // comparisons before an adversarial instance is answered with its gap: about 0.2 s

/** The choice of least total loss within the budget. */
export function solve(layers: readonly Choices[], budgetBytes: number, workLimit = WORK_LIMIT): Allocation {
  const fronts = frontsOf(layers)
  checkFeasible(fronts, budgetBytes)
  const relaxed = relax(fronts, budgetBytes)
  const slack = budgetBytes - relaxed.bytes
  const core = completeExactly(fronts, relaxed, slack, workLimit)
  const allocation = {
    ...{ choice: new Int32Array(layers.length), bytes: 0, loss: 0, seconds: null },
    ...{ optimal: core.optimal, gap: core.gap },
  }
  layers.forEach((layer, i) => {
    const option = fronts.original[core.chosen.get(i) ?? fronts.vertex[relaxed.at[i] ?? 0] ?? 0] ?? 0
    allocation.choice[i] = option
    allocation.bytes += layer.bytes[option] ?? 0
    allocation.loss += layer.loss[option] ?? 0
  })
  return allocation
}

function checkFeasible({ layers, first, bytes }: Fronts, budgetBytes: number): void {
  let smallest = 0
  for (let i = 0; i < layers; i++) smallest += bytes[first[i] ?? 0] ?? 0
  if (smallest <= budgetBytes) return
  throw new Fault('infeasible', `No plan fits ${budgetBytes} bytes: the smallest takes ${smallest}.`, {
    hint: `Allow at least ${smallest} bytes, or unlock layers.`,
    data: { expected: `at least ${smallest} bytes`, found: `${budgetBytes} bytes`, smallestBytes: smallest },
  })
}

export interface Curve {
  bytes: Float64Array // rising
  loss: Float64Array // falling: the lower convex hull of everything that can be chosen
  /** Point k + 1 is point k with layer[k] switched to option[k] (index in that layer's options). */
  layer: Int32Array
  option: Int32Array
}

/** The whole predicted front at once: breakpoints of the linear relaxation. Between two of them the exact optimum lies at
 *  most one hull step above the line. */
export function curve(layers: readonly Choices[]): Curve {
  const fronts = frontsOf(layers)
  const { first, firstVertex, vertex, efficiency, bytes, loss, original } = fronts
  let [size, value] = [0, 0]
  const layerOf = new Int32Array(vertex.length)
  const steps: number[] = []
  for (let i = 0; i < fronts.layers; i++) {
    size += bytes[first[i] ?? 0] ?? 0
    value += loss[first[i] ?? 0] ?? 0
    for (let v = (firstVertex[i] ?? 0) + 1; v < (firstVertex[i + 1] ?? 0); v++) {
      layerOf[v] = i
      steps.push(v)
    }
  }
  const order = Int32Array.from(steps).sort((a, b) => (efficiency[b] ?? 0) - (efficiency[a] ?? 0) || a - b)
  const points = order.length + 1
  const result: Curve = {
    bytes: new Float64Array(points).fill(size, 0, 1),
    loss: new Float64Array(points).fill(value, 0, 1),
    layer: new Int32Array(order.length),
    option: new Int32Array(order.length),
  }
  order.forEach((v, k) => {
    size += (bytes[vertex[v] ?? 0] ?? 0) - (bytes[vertex[v - 1] ?? 0] ?? 0)
    value += (loss[vertex[v] ?? 0] ?? 0) - (loss[vertex[v - 1] ?? 0] ?? 0)
    result.bytes[k + 1] = size
    result.loss[k + 1] = value
    result.layer[k] = layerOf[v] ?? 0
    result.option[k] = original[vertex[v] ?? 0] ?? 0
  })
  return result
}

export const knapsack = defineAllocator({
  id: 'knapsack',
  title: 'Exact budgeted choice',
  summary: 'Picks one option per layer so that the total predicted loss is the least possible within the byte budget.',
  cite: 'Sinha & Zoltners 1979, The multiple-choice knapsack problem; Pisinger 1995, A minimal algorithm for the multiple-choice knapsack problem',
  formula: 'min sum_i loss[i, x_i]  subject to  sum_i bytes[i, x_i] <= budget',
  cost: 'O(options log options), milliseconds for thousands of layers',
  needs: [],
  version: 1,
  params: z.object({}),
  knows: [],
  solve: ({ layers, maxBytes = Infinity }) => solve(layers, maxBytes),
})
