// Size, time and loss limited together: an integer program, solved by HiGHS.
//   min sum_io c[i, o] x[i, o]   subject to  sum_o x[i, o] = 1,  x in {0, 1},
//     sum bytes x <= B,  sum loss x + sum_pairs 2 rho sqrt(loss loss') x x' <= L,  sum seconds x <= T
//   Hubara et al. 2021, "Accurate Post Training Quantization With Small Calibration Sets" (AdaQuant):
//   there the loss is made least under a bound on size or time alone; here under any of them, or the size under a loss.
//   Products of pairs are made linear (Sherali & Adams 1990), exactly, while they are few.
// Cost: seconds for 500 layers x 24 options; ends at its time limit with the gap that is left. Needs predicted losses only.
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { type Allocation, type Choices, defineAllocator, type Problem } from './define.ts'
import { solveProgram } from './highs.ts'
import { excessOf, Individual, neighboursOf } from './individual.ts'
import { type Knapsack, prepareKnapsack } from './knapsack.ts'
import { type Dual, dualOf, polish } from './lagrangian.ts'
import { allocationOf, type Bound, bounds, checkProblem, infeasible, type Totals, totalsOf } from './limits.ts'
import { buildProgram, of, productsOf, type Task } from './program.ts'
import { balancedChoice, pricedChoices, type Quantity, quantityOf } from './priced.ts'
import { numbers } from './random.ts'

/** Products of options in pairs, above which the linear form is too large to end in useful time. */
const MOST_PRODUCTS = 20_000

interface Settings {
  seconds: number
  gap: number
  seed: number
}

/** The best choice for a task, or null where none keeps to its limits. */
async function best(task: Task, settings: Settings): Promise<Allocation | null> {
  const dual = dualOf(task)
  const begin = beginning(task, settings.seed, dual)
  if (begin && dual) {
    const value = totalsOf(task, begin)[task.minimise] ?? 0
    if (value - dual.bound <= settings.gap * Math.abs(value)) return answerOf(task, begin, dual.bound)
  }
  const kept = reduce(task, begin, dual)
  if (kept === null) return null
  const reduced = { ...task, layers: kept.map(({ choices }) => choices) }
  const start = begin && Int32Array.from(begin, (option, i) => kept[i]?.option.indexOf(option) ?? -1)
  const slack: Partial<Record<Quantity, number>> = {}
  let bound = -Infinity
  for (let round = 0; round < 4; round++) {
    const built = buildProgram(reduced, slack, typicalOf(reduced))
    if (start && !start.includes(-1) && round === 0) built.program.start = built.valuesOf(start)
    const { status, values, bound: reached } = await solveProgram(built.program, settings)
    if (round === 0) bound = Math.max(built.offset + built.scale * reached, dual?.bound ?? -Infinity)
    if (status === 'infeasible' && round === 0) return null
    if (values === null) break
    const choice = built.choiceOf(values).map((option, i) => kept[i]?.option[option] ?? 0)
    const over = violations(task, choice)
    if (over.length === 0) return answerOf(task, choice, bound)
    // Kept to within the solver's tolerance only: again, with that much less room.
    for (const [quantity, excess] of over) slack[quantity] = (slack[quantity] ?? 0) + 2 * excess
  }
  if (begin) return answerOf(task, begin, bound)
  throw new Fault(
    'infeasible',
    `No plan was found within ${settings.seconds} seconds, nor a proof that there is none.`,
    {
      hint: 'Allow more seconds, loosen a limit a little, or choose another allocator.',
      data: { field: 'seconds' },
    },
  )
}

interface Kept {
  choices: Choices
  option: number[] // in the caller's options
}

/** Options that can be part of an answer at least as good as `begin`: not ruled out by their reduced cost, not beaten in all that counts by another one of the
 *  layer, and by themselves within each limit and no worse than all of `begin`. Null where a layer has none. A layer whose
 *  error may cancel against another's keeps all: there a larger loss can be better. */
function reduce(task: Task, begin: Int32Array | null, dual: Dual | null): Kept[] | null {
  const { layers, pairs, minimise, limits } = task
  const limited = Object.keys(limits) as Quantity[]
  const counted = [...new Set<Quantity>([minimise, ...limited, ...(pairs.length > 0 ? (['loss'] as const) : [])])]
  const cancels = new Set(pairs.filter(({ rho }) => rho < 0).flatMap(({ a, b }) => [a, b]))
  // Where errors cancel, the loss of a part says nothing about that of the whole.
  const upTo = (quantity: Quantity, most = Infinity) =>
    quantity === 'loss' && cancels.size > 0 ? [] : [{ quantity, room: most - leastOf(layers, quantity) }]
  const rooms = limited.flatMap((quantity) => upTo(quantity, limits[quantity]))
  if (begin) rooms.push(...upTo(minimise, totalsOf(task, begin)[minimise] ?? Infinity))
  if (limited.some((quantity) => upTo(quantity, limits[quantity]).some(({ room }) => room < 0))) return null
  const value = begin && (totalsOf(task, begin)[minimise] ?? 0)
  // An option whose price puts every choice with it above what is found already.
  const most = value === null || dual === null ? Infinity : value - dual.bound + 1e-9 * Math.abs(value)
  const kept = layers.map((layer, i) => {
    const columns = counted.map((quantity) => of(layer, quantity))
    const fits = rooms.map(({ quantity, room }) => {
      const values = of(layer, quantity)
      const least = Math.min(...values)
      return (option: number) => (values[option] ?? 0) - least <= room * (1 + 1e-9)
    })
    const beats = (o: number, p: number) =>
      columns.every((values) => (values[o] ?? 0) <= (values[p] ?? 0)) &&
      (o < p || columns.some((values) => (values[o] ?? 0) < (values[p] ?? 0)))
    const dear = (option: number) => (dual?.reduced[i]?.[option] ?? 0) > most
    const all = Array.from(layer.bytes, (_, option) => option).filter(
      (option) => !dear(option) && fits.every((fit) => fit(option)),
    )
    const option = cancels.has(i) ? all : all.filter((p) => !all.some((o) => o !== p && beats(o, p)))
    const take = (values: Float64Array) => Float64Array.from(option, (o) => values[o] ?? 0)
    const { bytes, loss, seconds } = layer
    return { option, choices: { bytes: take(bytes), loss: take(loss), ...(seconds && { seconds: take(seconds) }) } }
  })
  return kept.some(({ option }) => option.length === 0) ? null : kept
}

const leastOf = (layers: readonly Choices[], quantity: Quantity): number =>
  layers.reduce((sum, layer) => sum + Math.min(...of(layer, quantity)), 0)

/** The task with one of its limits alone, and without pairs: a knapsack. */
function withOne({ layers, minimise, limits }: Task, limited: Quantity | null): { knapsack: Knapsack; room: number } {
  const sizes = layers.map((layer) => {
    const values = limited === null ? new Float64Array(layer.bytes.length) : of(layer, limited)
    const least = Math.min(...values)
    return values.map((value) => value - least)
  })
  const room = limited === null ? 0 : (limits[limited] ?? 0) - leastOf(layers, limited)
  return {
    knapsack: prepareKnapsack(
      layers.map((layer, i) => ({ bytes: sizes[i] ?? layer.bytes, loss: of(layer, minimise) })),
    ),
    room,
  }
}

const eachLimit = ({ limits }: Task): (Quantity | null)[] => {
  const limited = Object.keys(limits) as Quantity[]
  return limited.length > 0 ? limited : [null]
}

const STARTS = 12
const POLISHED = 4

/** A choice that keeps to all limits: what one limit alone would choose, where that happens to, or the best at a price of
 *  each limited quantity, filled up. The better it is, the more the solver can rule out. */
function beginning(task: Task, seed: number, dual: Dual | null): Int32Array | null {
  const found: { choice: Int32Array; value: number }[] = []
  const consider = (choice: Int32Array): void => {
    if (violations(task, choice).length > 0) return
    found.push({ choice, value: totalsOf(task, choice)[task.minimise] ?? 0 })
  }
  const best = (): Int32Array | null => {
    found.sort((a, b) => a.value - b.value)
    // The best one does not always lead to the best end.
    for (const { choice } of dual ? found.slice(0, POLISHED) : []) consider(polish(task, dual as Dual, choice))
    return found.sort((a, b) => a.value - b.value)[0]?.choice ?? null
  }
  for (const limited of eachLimit(task)) {
    const { knapsack, room } = withOne(task, limited)
    if (knapsack.smallestBytes > room) continue
    consider(knapsack.solve(room, 1e5).choice)
  }
  const { layers, pairs, minimise: objective, limits } = task
  if (objective === 'seconds' || Object.keys(limits).length < 2) return best()
  const { bytes: maxBytes, loss: maxLoss, seconds: maxSeconds } = limits
  const problem: Problem = {
    ...{ layers, pairs, objective },
    ...(maxBytes !== undefined && { maxBytes }),
    ...(maxLoss !== undefined && { maxLoss }),
    ...(maxSeconds !== undefined && { maxSeconds }),
  }
  const draw = numbers(seed)
  const around = neighboursOf(problem)
  const balanced = balancedChoice(problem)
  for (const choice of [...(balanced ? [balanced] : []), ...pricedChoices(problem, STARTS, STARTS, draw)]) {
    const individual = new Individual(problem, around, choice)
    if (excessOf(individual.totals, problem) === 0) individual.fill(draw, 4 * layers.length)
    consider(individual.choice)
  }
  return best()
}

/** What the objective is about, above its least: the best of the bounds of single limits. */
function typicalOf(task: Task): number {
  const above = eachLimit(task).map((limited) => {
    const { knapsack, room } = withOne(task, limited)
    return knapsack.smallestBytes <= room ? knapsack.lossBound(room) - leastOf(task.layers, task.minimise) : 0
  })
  const spread = task.layers.reduce((sum, layer) => {
    const values = of(layer, task.minimise)
    return sum + Math.max(...values) - Math.min(...values)
  }, 0)
  return Math.max(...above, 1e-6 * spread) || 1
}

function violations(task: Task, choice: Int32Array): [Quantity, number][] {
  const totals = totalsOf(task, choice)
  return (Object.entries(task.limits) as [Quantity, number][])
    .map(([quantity, limit]): [Quantity, number] => [quantity, (totals[quantity] ?? 0) - limit])
    .filter(([, excess]) => excess > 0)
}

function answerOf(task: Task, choice: Int32Array, bound: number): Allocation {
  const value = totalsOf(task, choice)[task.minimise] ?? 0
  const proven = task.minimise === 'bytes' ? Math.ceil(bound - 1e-6 * Math.max(1, Math.abs(bound) * 1e-6)) : bound
  const gap = Math.max(0, value - proven)
  return allocationOf(task, choice, gap <= Math.abs(value) * 1e-9 ? 0 : gap)
}

/** Which bounds contradict each other: one that nothing meets, else two, else all; each with the plan that keeps to the
 *  others and comes nearest to it. */
async function contradiction(problem: Problem, settings: Settings): Promise<Fault> {
  const { layers, pairs = [] } = problem
  const present = bounds.filter((bound) => (problem[bound] ?? Infinity) < Infinity)
  const least = (bound: Bound, kept: Bound[]): Promise<Allocation | null> => {
    const limits = Object.fromEntries(kept.map((other) => [quantityOf[other], problem[other]]))
    return best({ layers, pairs, minimise: quantityOf[bound], limits }, settings)
  }
  const fails = (bound: Bound, found: Allocation | null) =>
    found === null || (found[quantityOf[bound]] ?? 0) > (problem[bound] ?? Infinity)
  const nearest = async (named: Bound[]): Promise<Fault> => {
    const plans: Partial<Record<Bound, Totals>> = {}
    for (const bound of named) {
      const others = (among: Bound[]) => among.filter((other) => other !== bound)
      const plan = (await least(bound, others(present))) ?? (await least(bound, others(named)))
      if (plan) plans[bound] = { bytes: plan.bytes, loss: plan.loss, seconds: plan.seconds }
    }
    return infeasible(problem, plans)
  }
  for (const bound of present) if (fails(bound, await least(bound, []))) return nearest([bound])
  for (const [i, bound] of present.entries())
    for (const other of present.slice(i + 1))
      if (fails(bound, await least(bound, [other]))) return nearest([bound, other])
  return nearest(present)
}

export const integerProgram = defineAllocator({
  id: 'integer-program',
  title: 'Integer program',
  summary:
    'Picks one option per layer under limits on size, time and loss together, and proves how far from the best the answer can be.',
  cite: 'Hubara et al. 2021, Accurate post training quantization with small calibration sets (AdaQuant); HiGHS: Huangfu & Hall 2018, Parallelizing the dual revised simplex method',
  formula:
    'min sum_io c[i, o] x[i, o]  subject to  sum_o x[i, o] = 1,  sum bytes x <= B,  sum loss x <= L,  sum seconds x <= T,  x in {0, 1}',
  cost: 'about a second for 50 layers x 24 options, some seconds for 500; ends at its time limit with a proven gap',
  needs: [],
  version: 1,
  params: z.object({
    seconds: z.number().positive().max(3600).default(10).describe('Time after which the best found so far is taken'),
    gap: z.number().min(0).max(0.1).default(1e-6).describe('Relative distance to the proven bound that is good enough'),
  }),
  knows: ['objective-bytes', 'maxLoss', 'maxSeconds', 'pairs'],
  isSwift: false,
  solve: async (problem, { seconds, gap }) => {
    checkProblem(problem)
    const { layers, pairs = [], objective, seed = 1 } = problem
    const products = productsOf(problem)
    if (products > MOST_PRODUCTS)
      throw new Fault(
        'unsupported',
        `The plan's ${pairs.length} pairs of layers come to ${products} products of options; the integer program takes ${MOST_PRODUCTS}.`,
        {
          hint: 'Choose the allocator "pairwise", or leave weak pairs out.',
          data: { field: 'pairs', expected: `at most ${MOST_PRODUCTS}`, found: String(products) },
        },
      )
    if (layers.length === 0) return prepareKnapsack(layers).within(problem)
    const settings = { seconds, gap, seed }
    const limits: Task['limits'] = {}
    for (const bound of bounds) {
      const limit = problem[bound] ?? Infinity
      if (limit < Infinity) limits[quantityOf[bound]] = limit
    }
    const found = await best({ layers, pairs, minimise: objective, limits }, settings)
    if (found === null) throw await contradiction(problem, settings)
    return found
  },
})
