import type { Budget } from '../../../src-preload/contract/plan.ts'
import type { CheckpointSummary } from '../../../src-preload/contract/model.ts'
import type { LivePlan } from '../../stores/plan.ts'
import type { Choice } from '../../ui/UiSelect.vue'

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
        ? 'No times are measured yet: measure latency on the Data screen.'
        : `The best plan with at least so many ${tokens ? 'tokens' : 'samples'} a second on this machine.`,
      disabled: !runs || noTime,
    },
    {
      value: 'memory',
      title: 'Memory',
      note: 'Weights, cache and activations of a context fit in so much memory.',
      disabled: !runs,
    },
  ]
}

const digits = (value: number, count: number): number => Number(value.toPrecision(count))
const usualContext = 2048

/** The same plan, asked for in another way: the budget that stands where the plan stands now. */
export function budgetIn(mode: BudgetMode, plan: LivePlan, bits: number, contextOfModel: string | undefined): Budget {
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
      return {
        memory: Math.ceil((bytes * 1.5) / 1e6) * 1e6,
        context: most > 0 ? Math.min(most, usualContext) : usualContext,
      }
    }
  }
}
