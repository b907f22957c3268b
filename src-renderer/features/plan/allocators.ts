import type { MethodSummary } from '../../../src-preload/contract/methods.ts'
import type { LivePlan } from '../../stores/plan.ts'
import type { Choice } from '../../ui/UiSelect.vue'

/** Value of the choice that leaves it to Lathe. */
export const exactChoice = 'exact'

const sentence = (text: string): string => (text === '' || text.endsWith('.') ? text : `${text}.`)

/** Who can choose a plan: the exact one first, then each allocator with what it does and what it costs. */
export const allocatorChoices = (methods: readonly MethodSummary[]): Choice[] => [
  {
    value: exactChoice,
    title: 'Exact',
    note: 'Whichever exact allocator knows all that is asked. Milliseconds, where no time is limited.',
  },
  ...methods
    .filter(({ family }) => family === 'allocate')
    .map(({ id, title, summary, cost }) => ({
      value: id,
      title,
      note: [sentence(summary), cost && `Cost: ${sentence(cost)}`].filter(Boolean).join(' '),
    })),
]

export const allocatorTitle = (methods: readonly MethodSummary[], id: string): string =>
  methods.find((method) => method.family === 'allocate' && method.id === id)?.title ?? id

/** Id that a plan has which only follows the hand. */
const following = 'relaxed'

/** Who chose a plan, and whether a better one can be. */
export function chosenBy(
  { allocator, optimal }: Pick<LivePlan, 'allocator' | 'optimal'>,
  methods: readonly MethodSummary[],
): { title: string; says: string } {
  if (allocator === following)
    return {
      title: 'Following the hand',
      says: 'Along the exact walk, within one step of the best plan. The plan at rest takes its place.',
    }
  const title = allocatorTitle(methods, allocator)
  return optimal
    ? { title: `Proven best: ${title}`, says: `${title}: no plan within the limits is predicted to lose less.` }
    : {
        title: `Not proven best: ${title}`,
        says: `${title}: a good plan within the limits; whether a better one exists was not decided.`,
      }
}
