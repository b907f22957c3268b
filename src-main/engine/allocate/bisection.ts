// The smallest plan along one order that meets a floor.
//   order: from the smallest plan, layer by layer the step that saves most loss per byte (the curve of the knapsack)
//   answer: the first plan along it whose loss is within the bound; by halves, since loss falls along the order
//   The search over an order of layers by sensitivity, with a measurement at each step, is that of the Augmented Hessian
//   paper's accuracy target (S4 of Lathe's list of systems; assumed: an order by one sensitivity per step, halves, the first
//   that meets). bisect.ts does the same by measuring: "lose at most x %" is then met by what was measured, not predicted.
// Cost O(steps) with predictions; log2(steps) evaluations when measured, about half of that with a prediction to begin with.
import { z } from 'zod'
import { type Choices, defineAllocator } from './define.ts'
import { type Curve, prepareKnapsack } from './knapsack.ts'
import { allocationOf, checkProblem, infeasible, totalsOf, within } from './limits.ts'

/** The choice at each point of a curve: `steps` of its steps taken. */
export function choiceAt(layers: readonly Choices[], curve: Curve, steps: number): Int32Array {
  const choice = Int32Array.from(layers, ({ bytes, loss }) => {
    let best = 0
    for (let option = 1; option < bytes.length; option++) {
      const [size = 0, least = 0] = [bytes[option], bytes[best]]
      if (size < least || (size === least && (loss[option] ?? 0) < (loss[best] ?? 0))) best = option
    }
    return best
  })
  for (let step = 0; step < steps; step++) choice[curve.layer[step] ?? 0] = curve.option[step] ?? 0
  return choice
}

export const bisection = defineAllocator({
  id: 'bisection',
  title: 'Bisection along one order',
  summary:
    'Goes from the smallest plan layer by layer to the original and stops at the first plan that loses little enough; with measurements, this meets an accuracy floor for certain.',
  cite: 'Search for an accuracy target along a sensitivity order, as in the Augmented Hessian method; the order is the hull of Sinha & Zoltners 1979, The multiple-choice knapsack problem',
  formula:
    'min k  subject to  quality(plan_k) >= floor;  plan_k = plan_(k-1) with the step of most loss saved per byte',
  cost: 'O(options log options) predicted; log2(steps) evaluations at most when measured',
  needs: [],
  version: 1,
  params: z.object({}),
  knows: ['objective-bytes', 'maxLoss'],
  isSwift: true,
  solve: (problem) => {
    checkProblem(problem)
    const { layers, objective, maxBytes = Infinity, maxLoss = Infinity } = problem
    const prepared = prepareKnapsack(layers)
    const curve = prepared.curve()
    const last = curve.layer.length
    const totalsAt = (steps: number) => totalsOf(problem, choiceAt(layers, curve, steps))
    let meets = firstWhere(last, (steps) => (curve.loss[steps] ?? 0) <= maxLoss + 1e-12 * Math.abs(maxLoss))
    while (meets < last && totalsAt(meets).loss > maxLoss) meets++ // added up in another order
    const fits = firstWhere(last, (steps) => (curve.bytes[steps + 1] ?? Infinity) > maxBytes)
    const steps = objective === 'bytes' ? meets : fits
    const choice = choiceAt(layers, curve, steps)
    const found = totalsOf(problem, choice)
    if (!within(found, problem)) {
      prepared.within(problem) // names the bounds where no plan at all is within them
      throw infeasible(problem, { maxBytes: totalsAt(meets), maxLoss: totalsAt(fits) })
    }
    const bound = objective === 'bytes' ? Math.ceil(prepared.bytesBound(maxLoss)) : prepared.lossBound(maxBytes)
    const gap = Math.max(0, found[objective] - bound)
    return allocationOf(problem, choice, gap <= 1e-12 * Math.abs(found[objective]) ? 0 : gap)
  },
})

/** The first of 0 .. last of which it is true, where it stays true from then on; last where it never is. */
function firstWhere(last: number, isSo: (index: number) => boolean): number {
  let [low, high] = [0, last]
  while (low < high) {
    const middle = (low + high) >> 1
    if (isSo(middle)) high = middle
    else low = middle + 1
  }
  return low
}
