// Genetic search with a learned predictor of what a recipe loses.
//   Xu et al. 2023, "EQ-Net: Elastic Quantization Neural Networks": a population of mixed recipes under a
//   budget; the best quarter are parents; half of the children are mutated parents, half crossed ones; a predictor in place
//   of evaluations. Assumed, where the paper leaves it open: the population begins with choices at a random price of each
//   limited quantity, losses disturbed; children are repaired into the limits and fill what is left; the predictor is
//   accuracy.ts, a ridge regression that corrects the additive or pairwise model by recipes that were measured.
// Takes any problem. Proves nothing by itself: the gap is to the linear bound, where that holds. Seeded.
// Cost O(population x generations x (layers + pairs)): a second or so for 500 layers x 24 options.
import { z } from 'zod'
import { type AccuracyPredictor, fitAccuracy, leastSamples } from './accuracy.ts'
import { type Allocation, defineAllocator, type Problem } from './define.ts'
import { excessOf, Individual, neighboursOf } from './individual.ts'
import { prepareKnapsack } from './knapsack.ts'
import { allocationOf, type Bound, bounds, checkProblem, infeasible, type Totals } from './limits.ts'
import { lowered } from './pairwise.ts'
import { balancedChoice, pricedChoices, quantityOf } from './priced.ts'
import { numbers } from './random.ts'

const PATIENCE = 25 // generations without a better one

type Numbers = ReturnType<typeof numbers>

const params = z.object({
  population: z.int().min(8).max(1000).default(48).describe('Recipes alive at a time'),
  generations: z.int().min(0).max(10_000).default(80).describe('Rounds of selection'),
  mutation: z.number().min(0).max(1).default(0.02).describe('Share of the layers that a mutation changes'),
})

/** The best found for a problem. `loss` is as predicted by what the measured recipes taught. */
async function evolve(problem: Problem, settings: z.output<typeof params>): Promise<Allocation> {
  const { layers, objective, seed = 1 } = problem
  const draw = numbers(seed)
  const around = neighboursOf(problem)
  const learned = fitAccuracy(problem, problem.measured ?? [], seed)
  const corrects = learned.error < learned.errorBefore
  const born = (choice: Int32Array): Rated => {
    const individual = new Individual(problem, around, choice)
    individual.repair(draw)
    individual.fill(draw, Math.min(layers.length, 64))
    const { totals } = individual.settle()
    const judged = corrects ? { ...totals, loss: learned.predict(choice) } : totals
    return { choice, totals: judged, excess: excessOf(judged, problem), value: judged[objective] }
  }
  const balanced = balancedChoice(problem)
  const priced = pricedChoices(problem, settings.population, Math.max(1, settings.population >> 2), draw)
  let population = [...(balanced ? [balanced] : []), ...priced].map(born).sort(better)
  const parents = Math.max(2, Math.floor(settings.population / 4))
  let [bestValue, since] = [Infinity, 0]
  for (let generation = 0; generation < settings.generations && since < PATIENCE; generation++) {
    const kept = distinct(population).slice(0, parents)
    const pick = (): Int32Array => kept[draw.below(kept.length)]?.choice ?? new Int32Array(layers.length)
    const children = Array.from({ length: settings.population - kept.length }, (_, child) =>
      born(child % 2 ? mutated(problem, pick(), settings.mutation, draw) : crossed(pick(), pick(), draw)),
    )
    population = [...kept, ...children].sort(better)
    const now = population[0]?.excess === 0 ? (population[0]?.value ?? Infinity) : Infinity
    since = now < bestValue ? 0 : since + 1
    await new Promise((resolve) => setImmediate(resolve)) // others of the process get their turn
    bestValue = Math.min(bestValue, now)
  }
  const [best] = population
  if (!best || best.excess > 0) throw refusal(problem, population)
  const found = { ...allocationOf(problem, best.choice, corrects ? Infinity : gapOf(problem, best)), ...best.totals }
  return learned.samples > 0 ? { ...found, judged: wordsOf(learned) } : found
}

/** RMS errors of ln(loss), left one out, as a person reads them: off by a factor of about e^error. */
function wordsOf({ means, samples, error, errorBefore, errorLearned }: AccuracyPredictor): string {
  const variants = `${samples} measured variant${samples === 1 ? '' : 's'}`
  const off = (value: number): string => `${(100 * Math.expm1(value)).toPrecision(2)} %`
  const sum = 'judged by the sum over layers'
  if (errorLearned === null)
    return `${sum}: a predictor learns from ${leastSamples} measured variants on, ${samples} ${samples === 1 ? 'is' : 'are'} there`
  if (means === 'model')
    return `${sum}: a predictor that learns from ${variants} is off by ${off(errorLearned)} on each left out, the sum by ${off(errorBefore)}`
  const by = means === 'learned' ? 'a predictor that learned from' : 'one factor from'
  return `judged by ${by} ${variants}: off by ${off(error)} on each left out, the sum by ${off(errorBefore)}`
}

interface Rated {
  choice: Int32Array
  totals: Totals
  excess: number // 0 within the limits
  value: number
}

const better = (a: Rated, b: Rated): number => a.excess - b.excess || a.value - b.value

/** Sorted recipes, each only once. */
const distinct = (population: Rated[]): Rated[] =>
  population.filter(({ choice }, i) => i === 0 || !choice.every((option, k) => option === population[i - 1]?.choice[k]))

function mutated({ layers }: Problem, parent: Int32Array, share: number, { next, below }: Numbers): Int32Array {
  const child = parent.slice()
  const change = (i: number) => (child[i] = below(layers[i]?.bytes.length ?? 1))
  child.forEach((_, i) => next() < share && change(i))
  change(below(layers.length))
  return child
}

/** Layers lie side by side in a block, so that what was chosen together is handed on together: two cuts. */
function crossed(one: Int32Array, two: Int32Array, { below }: Numbers): Int32Array {
  const child = one.slice()
  const [from, to] = [below(one.length), below(one.length)].sort((a, b) => a - b)
  child.set(two.subarray(from, (to ?? 0) + 1), from)
  return child
}

/** To the linear bound of the size limit alone. */
function gapOf(
  { layers, pairs = [], objective, maxBytes = Infinity, maxLoss = Infinity }: Problem,
  { value }: Rated,
): number {
  const below = prepareKnapsack(lowered(layers, pairs))
  const bound = objective === 'loss' ? below.lossBound(maxBytes) : Math.ceil(below.bytesBound(maxLoss))
  const gap = Math.max(0, value - bound)
  return gap <= 1e-12 * Math.abs(value) ? 0 : gap
}

/** Names the bounds that contradict each other, where size and loss do; else those that the best found breaks. */
function refusal(problem: Problem, population: Rated[]): Error {
  if ((problem.pairs ?? []).length === 0) prepareKnapsack(problem.layers).within(problem)
  const nearest: Partial<Record<Bound, Totals>> = {}
  for (const bound of bounds) {
    const limit = problem[bound] ?? Infinity
    const over = population.filter(({ totals }) => (totals[quantityOf[bound]] ?? 0) > limit)
    const [first] = over.sort(better)
    if (first) nearest[bound] = first.totals
  }
  return infeasible(problem, nearest)
}

export const genetic = defineAllocator({
  id: 'genetic',
  title: 'Genetic search with a learned predictor',
  summary:
    'Breeds recipes under all limits at once, judged by a predictor that learns from the recipes measured so far.',
  cite: 'Xu et al. 2023, EQ-Net: Elastic quantization neural networks; Rahimi & Recht 2007, Random features for large-scale kernel machines',
  formula: 'log loss(x) = log model(x) + w . f(x);  w = F^T (F F^T + lambda I)^-1 y',
  cost: 'O(population x generations x layers): a second or so for 500 layers x 24 options',
  needs: [],
  version: 2, // measured recipes come with the problem
  params,
  knows: ['objective-bytes', 'maxLoss', 'maxSeconds', 'pairs'],
  isSwift: false,
  solve: (problem, settings) => {
    checkProblem(problem)
    if (problem.layers.length === 0) return prepareKnapsack([]).within(problem)
    return evolve(problem, settings)
  },
})
