import {
  type Budget,
  type Constraints,
  noConstraints,
  type Option,
  type Plan,
  type Recipe,
} from '../../src-preload/contract/plan.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import { type Configured, solveConfigurations } from '../engine/allocate/configurations.ts'
import type { Allocator } from '../engine/allocate/define.ts'
import { knapsack } from '../engine/allocate/knapsack.ts'
import type { Limits } from '../engine/allocate/limits.ts'
import { allocators } from '../engine/allocate/registry.ts'
import { dataIdentity } from './recipe-data.ts'
import { isPlain, needsData, recipeSeed } from './recipe-methods.ts'
import { type PlanLayer, type PlanModel, total, uniformChoice } from './plan-model.ts'
import { type Spaces, spacesOf, type Wishes } from './plan-space.ts'
import { inAskedUnits, rawLoss, type Target, targetOf } from './plan-targets.ts'
import { uniformWithin } from './uniform.ts'

export interface PlanRequest {
  budget: Budget
  uniform: boolean
  locked: Record<string, string> // layer -> option id
  constraints?: Constraints
  allocator?: string | null // null: the exact one that knows all that is asked
}

interface Asked {
  wishes: Wishes
  target: Target
  limits: Limits
  spaces: Spaces
}

function asked(model: PlanModel, { budget, locked, constraints = noConstraints }: PlanRequest): Asked {
  const wishes = { locked, constraints, ...('memory' in budget && { packed: true }) }
  const target = targetOf(model, budget)
  const lossOf = (loss: number | null | undefined): number => (loss ? rawLoss(model, loss) : Infinity)
  const maxLoss = Math.min(lossOf(target.maxLoss), lossOf(constraints.maxLoss))
  const maxSeconds = Math.min(target.maxSeconds ?? Infinity, constraints.maxSeconds ?? Infinity)
  if (maxSeconds < Infinity) requireSeconds(model)
  requireBlocks(model, constraints)
  const limits: Limits = {
    objective: target.objective,
    ...(target.maxBytes !== undefined && { maxBytes: target.maxBytes }),
    ...(maxLoss < Infinity && { maxLoss }),
    ...(maxSeconds < Infinity && { maxSeconds }),
  }
  return { wishes, target, limits, spaces: spacesOf(model, wishes) }
}

function requireBlocks({ subject }: PlanModel, { keepBlocks }: Constraints): void {
  const { blocks } = subject.checkpoint.summary
  const beyond = keepBlocks.find((block) => block < 0 || block >= blocks)
  if (beyond === undefined) return
  throw new Fault('bad-arguments', `Block ${beyond} is to stay, but there is none: the network has ${blocks}.`, {
    hint: blocks > 0 ? `Blocks are numbered from 0 to ${blocks - 1}.` : 'Leave the constraint out.',
    data: { field: 'keepBlocks', expected: `below ${blocks}`, found: String(beyond) },
  })
}

/** Time can be limited where it is known of every layer. */
function requireSeconds({ layers }: PlanModel): void {
  const untimed = layers.find(({ seconds }) => seconds === undefined)
  if (untimed === undefined) return
  throw new Fault('unsupported', `How long ${untimed.name} takes on this machine was not measured yet.`, {
    hint: 'Measure sensitivity with "Time the layers, too", or leave the time limit out.',
    data: { field: 'maxSeconds', tensor: untimed.name },
  })
}

/** The plan that keeps to a budget and constraints with the least predicted loss, or with the fewest bytes where the budget is
 *  a loss; `uniform`: the widest single width that fits. Exact, at once: with time limits or another allocator, `planFor`. */
export function solvePlan(model: PlanModel, request: PlanRequest): Plan {
  const startedAt = performance.now()
  const made = asked(model, request)
  if (request.uniform) return uniformPlan(model, request, made, startedAt)
  let found: Configured
  try {
    found = made.spaces.prepared.solve(made.limits)
  } catch (error) {
    throw asAsked(model, made, error)
  }
  return planOf(model, made, found, { startedAt, allocator: knapsack.id })
}

/** The same with any allocator that knows what is asked. */
export async function planFor(model: PlanModel, request: PlanRequest): Promise<Plan> {
  const startedAt = performance.now()
  const made = asked(model, request)
  const allocator = allocatorFor(made, request.allocator ?? null) // of one width nobody chooses, but a wrong name is wrong
  if (request.uniform) return solvePlan(model, request)
  if (allocator.id === knapsack.id) return solvePlan(model, request)
  const configurations = made.spaces.spaces.map(({ configuration }) => configuration)
  const limits = { ...made.limits, seed: recipeSeed }
  const parameters = allocator.params.parse({})
  const found = await solveConfigurations(configurations, limits, allocator, parameters).catch((error: unknown) => {
    throw asAsked(model, made, error)
  })
  return planOf(model, made, found, { startedAt, allocator: allocator.id })
}

function allocatorFor({ limits, spaces }: Asked, wanted: string | null): Allocator {
  const wants = [
    ...(limits.objective === 'bytes' ? ['objective-bytes' as const] : []),
    ...(limits.maxLoss !== undefined ? ['maxLoss' as const] : []),
    ...(limits.maxSeconds !== undefined ? ['maxSeconds' as const] : []),
  ]
  const knows = ({ knows: known }: Allocator): boolean => wants.every((want) => known.includes(want))
  if (wanted !== null) {
    const found = allocators.find(({ id }) => id === wanted)
    const more = {
      hint: `Known: ${allocators.map(({ id }) => id).join(', ')}.`,
      data: { field: 'allocator', found: wanted },
    }
    if (!found) throw new Fault('bad-arguments', `There is no allocator "${wanted}".`, more)
    if (knows(found)) return found
    throw new Fault('unsupported', `${found.title} does not take into account: ${wants.filter((want) => !found.knows.includes(want)).join(', ')}.`, more) // prettier-ignore
  }
  const coupled = spaces.spaces.some(({ configuration }) => configuration.problem.pairs !== undefined)
  const pairwise = coupled ? allocators.find((each) => each.id === 'pairwise' && knows(each)) : undefined
  return pairwise ?? allocators.find(knows) ?? knapsack
}

/** The widest single width that keeps to the limits, with what is asked of layers held. */
function uniformPlan(model: PlanModel, { budget }: PlanRequest, made: Asked, startedAt: number): Plan {
  const space = made.spaces.spaces.find((each) => each.model === model)
  if (!space) throw new Fault('internal', 'The network itself is not among those that may be chosen for.')
  // A budget in bits names its width itself, whatever the locks add to the bytes.
  const { maxBytes, ...others } = made.limits
  const limits = 'bits' in budget || maxBytes === undefined ? others : { ...others, maxBytes }
  const asked = { named: 'bits' in budget ? budget.bits : Infinity, words: made.target.words }
  return describe(model, uniformWithin(space, limits, asked), made, {
    ...{ startedAt, allocator: 'uniform', optimal: false },
  })
}

/** What an allocator refuses, in the units that were asked in. */
const asAsked = (model: PlanModel, { target, limits }: Asked, error: unknown): unknown =>
  error instanceof Fault ? inAskedUnits(model, target, limits, error) : error

function planOf(
  model: PlanModel,
  made: Asked,
  { index, allocation }: Configured,
  how: { startedAt: number; allocator: string },
): Plan {
  const space = made.spaces.spaces[index]
  if (!space) throw new Fault('internal', `The allocator chose network ${index} of ${made.spaces.spaces.length}.`)
  // One that does not count pairs proves nothing about what is predicted with them.
  const knows = allocators.find(({ id }) => id === how.allocator)?.knows ?? []
  const counts = space.configuration.problem.pairs === undefined || knows.includes('pairs')
  const optimal = allocation.optimal && counts
  const { judged, loss } = allocation
  const told = judged === undefined ? {} : { judged: { words: judged, loss } }
  return describe(space.model, space.expand(allocation.choice), made, { ...how, optimal, ...told }, model)
}

export const plainOption = ({ id, method, bits, parameters, form }: Option): Option => ({
  ...{ id, method, bits, parameters },
  ...(form !== undefined && { form }),
})

const chosenOption = (layer: PlanLayer, index: number | undefined): Option & { bytes: number } => {
  const option = layer.options[index ?? -1]
  if (!option) throw new Fault('internal', `The allocator chose option ${index} of ${layer.name}.`)
  return option
}

export function recipeOf(model: PlanModel, choice: Int32Array): Recipe {
  const { dataSet } = model.subject
  const { name, fingerprint } = model.subject.checkpoint.summary
  const layers = model.layers.map((layer, index) => ({
    name: layer.name,
    option: plainOption(chosenOption(layer, choice[index])),
  }))
  const { levers: _offered, ...methods } = model.methods // the layers' options say what was chosen
  const options = layers.map(({ option }) => option)
  const calibrated = dataSet !== null && needsData(methods, options)
  return {
    lathe: 1,
    checkpoint: { name, fingerprint },
    seed: recipeSeed,
    format: model.format,
    ...(isPlain(methods) ? {} : { methods }),
    ...(calibrated ? { data: dataIdentity(dataSet) } : {}),
    layers,
  }
}

/** What a choice comes to. `of`: the model whose calibration predicts, where blocks are left out of it. */
function describe(
  model: PlanModel,
  choice: Int32Array,
  { target, wishes, limits }: Asked,
  how: { startedAt: number; allocator: string; optimal: boolean; judged?: { words: string; loss: number } },
  of = model,
): Plan {
  const sums = total(model, choice)
  const { startedAt, allocator, optimal, judged } = how
  const prediction = of.calibration.predict(judged?.loss ?? sums.loss, sums.standardError)
  const share = sums.loss > 0 ? prediction.loss / sums.loss : 0
  const { points } = of.calibration
  return {
    predicted: {
      bytes: sums.bytes,
      averageBits: sums.averageBits,
      bitsPerWeight: sums.bitsPerWeight,
      sparsity: sums.sparsity,
      rankShare: sums.rankShare,
      seconds: sums.seconds,
      loss: prediction.loss,
      lossLow: prediction.low,
      lossHigh: prediction.high,
      source: `${model.source}; ${points === 0 ? 'no variant measured yet, so the interval is a guess' : `corrected by ${points} measured variant${points === 1 ? '' : 's'}`}${judged ? `; ${judged.words}` : ''}`,
    },
    budgetBytes: limits.maxBytes ?? sums.bytes,
    budget: target.words,
    removed: model.removed,
    allocator,
    optimal,
    layers: model.layers.map((layer, index) => {
      const option = chosenOption(layer, choice[index])
      return {
        name: layer.name,
        option: option.id,
        bits: option.bits,
        bytes: option.bytes,
        loss: (layer.loss[choice[index] ?? 0] ?? 0) * share,
        locked: wishes.locked[layer.name] !== undefined,
      }
    }),
    recipe: recipeOf(model, choice),
    solveMs: performance.now() - startedAt,
  }
}

/** One width for all that have more than one choice. */
export const isUniform = (model: PlanModel, choice: Int32Array): boolean =>
  model.widths.some((width) => {
    const uniform = uniformChoice(model, width)
    return choice.every((option, index) => option === uniform[index])
  })
