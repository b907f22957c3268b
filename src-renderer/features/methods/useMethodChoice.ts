import { computed, watch } from 'vue'
import { type Methods, plainMethods } from '../../../src-preload/contract/plan.ts'
import { useLathe } from '../../api/lathe.ts'
import { usePlan } from '../../stores/plan.ts'
import { useProject } from '../../stores/project.ts'
import { useSession } from '../../stores/session.ts'
import { useToasts } from '../../stores/toasts.ts'
import { formatTitle } from '../formats/formatChoices.ts'
import { latest } from '../latest.ts'
import { choiceSummary } from './choice.ts'

const same = (a: Methods, b: Methods): boolean => JSON.stringify(a) === JSON.stringify(b)

/** The project's quantizer and preparations as the person is choosing them: shown at once, told to Lathe behind, and one
 *  step of the plan's history each. */
export function useMethodChoice() {
  const { client } = useLathe()
  const plan = usePlan()
  const projects = useProject()
  const session = useSession()
  const toasts = useToasts()

  const kept = computed(() => projects.project?.methods ?? plainMethods)
  const methods = computed(() => plan.draft.methods ?? kept.value)

  const tell = latest(
    async ({ project, methods: next }: { project: string; methods: Methods }) => {
      projects.refresh(await client.call('project.setMethods', { project, methods: next }))
    },
    (error) => {
      toasts.showError(error)
      plan.dropMethods(kept.value)
    },
  )
  watch(
    () => plan.draft.methods,
    (next) => {
      const project = projects.project?.folder
      if (project !== undefined && next && !same(next, kept.value)) tell({ project, methods: next })
    },
  )
  const set = (next: Methods): void => {
    if (!same(next, methods.value)) plan.setMethods(next, kept.value)
  }
  const summary = computed(() =>
    choiceSummary(
      methods.value,
      session.methods,
      projects.project,
      same(methods.value, kept.value) && !projects.areOptionsOld ? projects.options : null,
      formatTitle(session.methods, projects.project?.format ?? null),
    ),
  )
  return { methods, set, summary }
}
