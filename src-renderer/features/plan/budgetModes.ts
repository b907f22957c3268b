import type { Follow } from '../../../src-preload/contract/follow.ts'
import type { Budget } from '../../../src-preload/contract/plan.ts'
import type { CheckpointSummary } from '../../../src-preload/contract/model.ts'
import type { LivePlan } from '../../stores/plan.ts'
import type { Choice } from '../../ui/UiSelect.vue'
import { megabytes } from '../../ui/format.ts'

export const budgetModes = ['bits', 'bytes', 'loss', 'lose', 'perSecond', 'memory'] as const
export type BudgetMode = (typeof budgetModes)[number]

export const modeOf = (budget: Budget): BudgetMode => budgetModes.find((mode) => mode in budget) ?? 'bits'

/** What can be asked for, and why something cannot. */
export function modeChoices(
  plan: LivePlan,
  { task }: Pick<CheckpointSummary, 'task'>,
): (Choice & { value: BudgetMode })[] {
  const runs = task !== 'none'
  const tokens = task === 'causal-lm'
  const noTime = plan.predicted.seconds === null && plan.recipe !== null
  return [
    { value: 'bits', title: 'Average bits', note: 'As many bytes as this width for all layers takes.' },
    { value: 'bytes', title: 'File size', note: 'The best plan whose exported file is at most so large.' },
    {
      value: 'loss',
      title: runs ? 'KL divergence' : 'Weight error',
      note: 'The smallest file that loses at most this.',
    },
    {
      value: 'lose',
      title: tokens ? 'Perplexity lost' : 'Accuracy lost',
      note: runs
        ? `The smallest file whose ${tokens ? 'perplexity rises' : 'accuracy falls'} by at most so many per cent.`
        : 'This checkpoint cannot be run, so nothing is known of it.',
      disabled: !runs,
    },
    {
      value: 'perSecond',
      title: 'Speed',
      note: noTime
        ? 'No times are measured yet: switch on “Time the layers, too” under Data.'
        : `The best plan with at least so many ${tokens ? 'tokens' : 'samples'} a second on this machine.`,
      disabled: !runs || noTime,
    },
    {
      value: 'memory',
      title: 'Memory',
      note: tokens
        ? 'Weights, cache and activations of a context fit in so much memory.'
        : 'Known of language models only: what they take beside their weights follows from their configuration.',
      disabled: !tokens,
    },
  ]
}

type Running = NonNullable<Follow['running']>

/** Bytes of memory that a file with so many takes while it answers within a context. What attention works on grows with the
 *  context, too, and counts among the activations. */
export function memoryParts(
  bytes: number,
  context: number,
  { cachePerToken, activations, attentionPerToken }: Running,
): { weights: number; cache: number; activations: number } {
  return {
    weights: bytes,
    cache: context * cachePerToken,
    activations: activations + context * attentionPerToken,
  }
}

const digits = (value: number, count: number): number => Number(value.toPrecision(count))
const usualContext = 2048

/** The same plan, asked for in another way: the budget that stands where the plan stands now. */
export function budgetIn(
  mode: BudgetMode,
  plan: LivePlan,
  bits: number,
  contextOfModel: string | undefined,
  running: Follow['running'] = null,
): Budget {
  const { bytes, loss, seconds } = plan.predicted
  switch (mode) {
    case 'bits':
      return { bits: Math.round(bits * 100) / 100 }
    case 'bytes':
      return { bytes: Math.ceil(bytes) }
    case 'loss':
      return { loss: digits(Math.max(loss, 1e-9), 2) }
    case 'lose':
      return { lose: 0.05 }
    case 'perSecond':
      return { perSecond: seconds === null || seconds <= 0 ? 10 : digits(1 / seconds, 3) }
    case 'memory': {
      const most = Number((contextOfModel ?? '').replaceAll(',', ''))
      const context = most > 0 ? Math.min(most, usualContext) : usualContext
      const { cache, activations } = running
        ? memoryParts(bytes, context, running)
        : { cache: 0, activations: bytes / 2 }
      return { memory: Math.ceil((bytes + cache + activations) / 1e6) * 1e6, context }
    }
  }
}

/** Decimals for three digits that mean something, whatever the size. */
export const significant = (value: number): number =>
  Math.min(8, Math.max(0, 2 - Math.floor(Math.log10(Math.max(value, 1e-9)))))

export interface AskedField {
  shown: { label: string; unit: string; value: number; decimals: number; min: number; max: number; step: number }
  budgetOf: (value: number) => Budget
}

/** Numbers that make up a budget beside width and size, which stand there always: as a person writes them. */
export function askedFields(budget: Budget, tokens: boolean): AskedField[] {
  const field = (
    [label, unit]: readonly [string, string],
    value: number,
    [min, max, step]: readonly [number, number, number],
    budgetOf: (value: number) => Budget,
    decimals = significant(value),
  ): AskedField => ({ shown: { label, unit, value, decimals, min, max, step }, budgetOf })
  if ('loss' in budget) {
    const { loss } = budget
    return [field(['Most predicted loss', 'nats at most'], loss, [1e-9, 1e3, loss * 0.1], (next) => ({ loss: next }))]
  }
  if ('lose' in budget) {
    const words = tokens
      ? (['Most rise of perplexity in per cent', '% more perplexity at most'] as const)
      : (['Most accuracy lost in per cent', '% of the accuracy at most'] as const)
    return [field(words, budget.lose * 100, [0.001, 100, 0.5], (next) => ({ lose: next / 100 }))]
  }
  if ('perSecond' in budget) {
    const { perSecond } = budget
    const what = tokens ? 'tokens a second' : 'samples a second'
    const limits = [1e-6, 1e9, perSecond * 0.05] as const
    return [field([`Least ${what}`, `${what} at least`], perSecond, limits, (next) => ({ perSecond: next }))]
  }
  if (!('memory' in budget)) return []
  const { memory, context } = budget
  const size = megabytes(memory)
  const limits = [1, 1e7, size * 0.05] as const
  const memoryOf = (next: number): Budget => ({ memory: Math.round(next * 1e6), context })
  return [
    field(['Memory in megabytes', 'MB with'], size, limits, memoryOf, 0),
    field(['Length of the context', 'tokens'], context, [1, 1e8, 256], (n) => ({ memory, context: Math.round(n) }), 0),
  ]
}
