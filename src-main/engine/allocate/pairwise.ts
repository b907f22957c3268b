// Budgeted choice with errors that meet: pairwise terms beside the sum.
//   min sum_i loss[i, x_i] + sum_pairs 2 rho_ab sqrt(loss[a, x_a] loss[b, x_b])  subject to  sum_i bytes[i, x_i] <= budget
//   The quadratic form of an error that is the sum of its parts, e = e_a + e_b: |e|^2 = |e_a|^2 + |e_b|^2 + 2 e_a . e_b, with
//   rho the cosine. Terms between layers of one dependency block as in Q-VLM (Wang et al. 2024) and the cross
//   terms of a Hessian. Layers that pairs connect become one choice each (blocks.ts): all joint choices where a block is
//   small, else those best at many prices of a byte. Over these the knapsack is exact; the additive answer competes.
// Cost: once per network, block by block; then per budget what a knapsack costs. Needs predicted losses and pairs.
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { type Block, blockOf, couplings } from './blocks.ts'
import { type Allocation, type Choices, defineAllocator, type Pair } from './define.ts'
import { prepareKnapsack } from './knapsack.ts'
import {
  allocationOf,
  type Bound,
  checkProblem,
  infeasible,
  type Limits,
  type Totals,
  totalsOf,
  within,
} from './limits.ts'

export interface PreparedPairwise {
  blocks: readonly Block[]
  within(limits: Limits, workLimit?: number): Allocation
}

const ENUMERATED = 10_000 // joint choices of a block that are all tried

/** Everything that does not depend on the budget, for a slider. */
export function preparePairwise(
  layers: readonly Choices[],
  pairs: readonly Pair[],
  enumerated = ENUMERATED,
): PreparedPairwise {
  checkProblem({ layers, pairs, objective: 'loss' })
  return overBlocks(
    layers,
    pairs,
    couplings(layers, pairs).map((coupling) => blockOf(coupling, enumerated)),
  )
}

const TURN_MS = 8

/** The same in turns, between which others of the process get theirs: large blocks take tens of milliseconds each. */
async function prepareInTurns(
  layers: readonly Choices[],
  pairs: readonly Pair[],
  enumerated: number,
): Promise<PreparedPairwise> {
  const blocks: Block[] = []
  let began = performance.now()
  for (const coupling of couplings(layers, pairs)) {
    blocks.push(blockOf(coupling, enumerated))
    if (performance.now() - began < TURN_MS) continue
    await new Promise((resolve) => setImmediate(resolve))
    began = performance.now()
  }
  return overBlocks(layers, pairs, blocks)
}

function overBlocks(layers: readonly Choices[], pairs: readonly Pair[], blocks: readonly Block[]): PreparedPairwise {
  const problem = { layers, pairs }
  const joint = prepareKnapsack(blocks)
  const additive = prepareKnapsack(layers)
  const complete = blocks.every((block) => block.complete)
  const below = complete ? joint : prepareKnapsack(lowered(layers, pairs))
  const expand = (chosen: Int32Array): Int32Array => {
    const choice = new Int32Array(layers.length)
    blocks.forEach(({ members, choices }, b) =>
      members.forEach((layer, m) => (choice[layer] = choices[(chosen[b] ?? 0) * members.length + m] ?? 0)),
    )
    return choice
  }

  const answer = (limits: Limits, workLimit?: number): Allocation => {
    const { objective, maxBytes = Infinity, maxLoss = Infinity } = limits
    let gap = 0
    const tries: Int32Array[] = []
    const attempt = (solve: () => Int32Array): Fault | null => {
      try {
        tries.push(solve())
        return null
      } catch (error) {
        if (error instanceof Fault && error.code === 'infeasible') return error
        throw error
      }
    }
    // Blocks add losses up in another order than the plan does: within a hair of a bound, the plan's order decides.
    const hair = maxLoss < Infinity ? 1e-12 * Math.abs(maxLoss) : 0
    let refused: Fault | null = null
    for (const bound of hair === 0 ? [maxLoss] : [maxLoss + hair, maxLoss, maxLoss - hair]) {
      refused = attempt(() => {
        const found = joint.within({ ...limits, ...(limits.maxLoss !== undefined && { maxLoss: bound }) }, workLimit)
        gap = found.gap
        return expand(found.choice)
      })
      const [found] = tries
      if (refused || (found && totalsOf(problem, found).loss <= maxLoss)) break
      tries.length = 0
    }
    attempt(() => additive.within(limits, workLimit).choice)
    const found = tries
      .map((choice) => (complete ? choice : polish(problem, choice, limits)))
      .map((choice) => ({ choice, ...totalsOf(problem, choice) }))
      .filter((each) => within(each, limits))
      .reduce<({ choice: Int32Array } & Totals) | null>((a, b) => (a && a[objective] <= b[objective] ? a : b), null)
    if (found === null)
      throw refused ? expanded(refused, limits) : new Fault('internal', 'No choice of layers was found.')
    if (!complete) {
      const bound = objective === 'loss' ? below.lossBound(maxBytes) : Math.ceil(below.bytesBound(maxLoss))
      gap = Math.max(0, found[objective] - bound)
    }
    return allocationOf(problem, found.choice, gap)
  }

  /** The knapsack's refusal knows bytes and losses of blocks; in the plan's own terms. */
  const expanded = (fault: Fault, limits: Limits): Fault => {
    const nearest = (fault.data?.nearest ?? {}) as unknown as Partial<Record<Bound, Totals>>
    return infeasible(limits, nearest)
  }

  return { blocks, within: answer }
}

/** Losses that together are never above those with pairs: 2 rho sqrt(ab) >= -|rho| (a + b) where rho < 0, else >= 0. */
export function lowered(layers: readonly Choices[], pairs: readonly Pair[]): Choices[] {
  const factors = layers.map(() => 1)
  for (const { a, b, rho } of pairs)
    for (const layer of [a, b]) factors[layer] = (factors[layer] ?? 1) + Math.min(0, rho)
  return layers.map(({ bytes, loss }, i) => ({
    bytes,
    loss: loss.map((value) => (value > 0 ? value * (factors[i] ?? 1) : value)),
  }))
}

/** Changes one layer at a time, the best change first, while that improves the objective within the limits. */
function polish(
  problem: { layers: readonly Choices[]; pairs: readonly Pair[] },
  from: Int32Array,
  limits: Limits,
): Int32Array {
  const { layers, pairs } = problem
  const { objective, maxBytes = Infinity, maxLoss = Infinity } = limits
  const choice = from.slice()
  const around = layers.map((): { other: number; rho: number }[] => [])
  for (const { a, b, rho } of pairs) {
    around[a]?.push({ other: b, rho })
    around[b]?.push({ other: a, rho })
  }
  const lossAt = (i: number, option: number): number => {
    const own = layers[i]?.loss[option] ?? 0
    let sum = own
    for (const { other, rho } of around[i] ?? [])
      sum += 2 * rho * Math.sqrt(Math.max(0, own) * Math.max(0, layers[other]?.loss[choice[other] ?? 0] ?? 0))
    return sum
  }
  for (let round = 0; round < 4 * layers.length; round++) {
    const now = totalsOf(problem, choice)
    let [gain, layer, option] = [1e-12 * Math.abs(now[objective]), -1, -1]
    layers.forEach(({ bytes }, i) => {
      const current = choice[i] ?? 0
      const own = lossAt(i, current)
      for (let o = 0; o < bytes.length; o++) {
        if (o === current) continue
        const size = (bytes[o] ?? 0) - (bytes[current] ?? 0)
        if (objective === 'bytes' ? -size <= gain : now.bytes + size > maxBytes) continue
        const loss = lossAt(i, o) - own
        if (now.loss + loss > maxLoss) continue
        const saved = objective === 'bytes' ? -size : -loss
        if (saved > gain) [gain, layer, option] = [saved, i, o]
      }
    })
    if (layer < 0) break
    choice[layer] = option
  }
  return within(totalsOf(problem, choice), limits) ? choice : from
}

/** The last preparation for a plan's layers: the next budget of the same plan finds it. */
const latest = new WeakMap<
  readonly Choices[],
  { pairs: readonly Pair[] | undefined; enumerated: number; prepared: PreparedPairwise }
>()

export const pairwise = defineAllocator({
  id: 'pairwise',
  title: 'Budgeted choice with pairwise terms',
  summary:
    'Picks one option per layer for the least total loss within the budget, counting how errors of layers that depend on each other add up or cancel.',
  cite: 'Cross terms of a quadratic loss between layers of one dependency block: Wang et al. 2024, Q-VLM: Post-training quantization for large vision-language models; solved as a multiple-choice knapsack over joint choices, Sinha & Zoltners 1979',
  formula:
    'min sum_i loss[i, x_i] + sum_ab 2 rho_ab sqrt(loss[a, x_a] loss[b, x_b])  subject to  sum_i bytes[i, x_i] <= budget',
  cost: 'once per network up to a second for dozens of blocks of seven layers; then milliseconds per budget',
  needs: [],
  version: 1,
  params: z.object({
    enumerated: z
      .int()
      .positive()
      .max(1_000_000)
      .default(ENUMERATED)
      .describe('Blocks with at most so many joint choices are solved exactly'),
  }),
  knows: ['objective-bytes', 'maxLoss', 'pairs'],
  isSwift: true,
  solve: async (problem, { enumerated }) => {
    checkProblem(problem)
    const known = latest.get(problem.layers)
    const fits = known?.enumerated === enumerated && known.pairs === problem.pairs
    const { layers, pairs = [] } = problem
    const prepared = fits ? known.prepared : await prepareInTurns(layers, pairs, enumerated)
    latest.set(layers, { pairs: problem.pairs, enumerated, prepared })
    return prepared.within(problem)
  },
})
