import type { Budget, Option, Plan, Recipe } from '../../src-preload/contract/plan.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import { solve } from '../engine/allocate/knapsack.ts'
import { dataIdentity } from './recipe-data.ts'
import { isPlain, needsData, recipeSeed } from './recipe-methods.ts'
import { bytesAtBits, type PlanLayer, type PlanModel, total, uniformChoice } from './plan-model.ts'

export interface PlanRequest {
  budget: Budget
  uniform: boolean
  locked: Record<string, string> // layer -> option id
}

/** The plan with the least predicted loss within the budget; `uniform`: the widest single width that fits. */
export function solvePlan(model: PlanModel, request: PlanRequest): Plan {
  const startedAt = performance.now()
  const budgetBytes = bytesOf(model, request.budget)
  const locks = lockedChoices(model, request.locked)
  const choice = request.uniform
    ? uniformWithin(model, request.budget, budgetBytes, locks)
    : mixedWithin(model, budgetBytes, locks)
  const plan = describe(model, choice, budgetBytes, locks)
  return { ...plan, solveMs: performance.now() - startedAt }
}

function bytesOf(model: PlanModel, budget: Budget): number {
  if ('bytes' in budget) return budget.bytes
  if ('bits' in budget) return bytesAtBits(model, budget.bits)
  throw new Fault('unsupported', 'This kind of budget is not planned for yet.', { data: { field: 'budget' } })
}

function lockedChoices(model: PlanModel, locked: Record<string, string>): Map<number, number> {
  const indexes = new Map(model.layers.map((layer, index) => [layer.name, index]))
  const choices = new Map<number, number>()
  for (const [name, option] of Object.entries(locked)) {
    const index = indexes.get(name)
    const found = index === undefined ? -1 : (model.layers[index]?.options.findIndex(({ id }) => id === option) ?? -1)
    if (index === undefined || found < 0)
      throw new Fault('bad-arguments', `Cannot lock ${name} to "${option}": there is no such layer or option.`, {
        data: { tensor: name, found: option },
      })
    choices.set(index, found)
  }
  return choices
}

const withLocks = (choice: Int32Array, locks: Map<number, number>): Int32Array => {
  for (const [layer, option] of locks) choice[layer] = option
  return choice
}

function mixedWithin(model: PlanModel, budgetBytes: number, locks: Map<number, number>): Int32Array {
  const layers = model.layers.map((layer, index) => {
    const lock = locks.get(index)
    return lock === undefined
      ? layer
      : { bytes: layer.bytes.slice(lock, lock + 1), loss: layer.loss.slice(lock, lock + 1) }
  })
  const smallest = model.baseBytes + layers.reduce((sum, layer) => sum + Math.min(...layer.bytes), 0)
  if (smallest > budgetBytes) throw tooSmall(budgetBytes, smallest)
  return withLocks(Int32Array.from(solve(layers, budgetBytes - model.baseBytes).choice), locks)
}

function uniformWithin(model: PlanModel, budget: Budget, budgetBytes: number, locks: Map<number, number>): Int32Array {
  // A budget in bits names its width itself, whatever the locks add to the bytes.
  const limit = 'bits' in budget ? budget.bits : Infinity
  let smallest = Infinity
  for (const width of [...model.widths].reverse()) {
    if (width > limit) continue
    const choice = withLocks(uniformChoice(model, width), locks)
    const { bytes } = total(model, choice)
    if ('bits' in budget || bytes <= budgetBytes) return choice
    smallest = Math.min(smallest, bytes)
  }
  throw tooSmall(budgetBytes, Number.isFinite(smallest) ? smallest : bytesAtBits(model, model.widths[0] ?? 2))
}

const tooSmall = (budgetBytes: number, smallest: number): Fault =>
  new Fault(
    'infeasible',
    `No plan fits into ${Math.floor(budgetBytes)} bytes; the smallest takes ${Math.ceil(smallest)}.`,
    {
      hint: 'Raise the budget or unlock layers.',
      data: { expected: `at least ${Math.ceil(smallest)} bytes`, found: `${Math.floor(budgetBytes)} bytes` },
    },
  )

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
  const { methods } = model
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

function describe(
  model: PlanModel,
  choice: Int32Array,
  budgetBytes: number,
  locks: Map<number, number>,
): Omit<Plan, 'solveMs'> {
  const sums = total(model, choice)
  const prediction = model.calibration.predict(sums.loss, sums.standardError)
  const share = sums.loss > 0 ? prediction.loss / sums.loss : 0
  const { points } = model.calibration
  return {
    predicted: {
      bytes: sums.bytes,
      averageBits: sums.averageBits,
      bitsPerWeight: sums.bitsPerWeight,
      sparsity: 0,
      rankShare: 1,
      seconds: null,
      loss: prediction.loss,
      lossLow: prediction.low,
      lossHigh: prediction.high,
      source: `${model.source}; ${points === 0 ? 'no variant measured yet, so the interval is a guess' : `corrected by ${points} measured variant${points === 1 ? '' : 's'}`}`,
    },
    budgetBytes,
    removed: [],
    allocator: 'knapsack',
    optimal: true,
    layers: model.layers.map((layer, index) => {
      const option = chosenOption(layer, choice[index])
      return {
        name: layer.name,
        option: option.id,
        bits: option.bits,
        bytes: option.bytes,
        loss: (layer.loss[choice[index] ?? 0] ?? 0) * share,
        locked: locks.has(index),
      }
    }),
    recipe: recipeOf(model, choice),
  }
}

/** One width for all that have more than one choice. */
export const isUniform = (model: PlanModel, choice: Int32Array): boolean =>
  model.widths.some((width) => {
    const uniform = uniformChoice(model, width)
    return choice.every((option, index) => option === uniform[index])
  })
