import { computed, shallowRef, watch } from 'vue'
import { type FaultShape, toFault } from '../../../src-preload/contract/fault.ts'
import { useLathe } from '../../api/lathe.ts'
import { useJobs } from '../../stores/jobs.ts'
import { useProject } from '../../stores/project.ts'
import { latest } from '../latest.ts'
import { useAction } from '../useAction.ts'
import { planLines, runsOf } from './planLines.ts'
import type { useScores } from './useScores.ts'

interface Question {
  project: string
  methods: string[]
  budgets: { bits: number }[]
  weighing: 'rank' | 'value'
}

/** Plans by score: asked for whenever what they hang on changed, and run one after the other when the person says so. */
export function useScorePlans({ store, columns }: ReturnType<typeof useScores>) {
  const { client } = useLathe()
  const projects = useProject()
  const jobs = useJobs()
  const fault = shallowRef<FaultShape | null>(null)

  const load = latest(
    async (question: Question) => {
      const plans = await client.call('score.plans', question)
      if (projects.project?.folder !== question.project) return
      store.setPlans(plans)
      fault.value = null
    },
    (error) => {
      fault.value = toFault(error).toShape()
      store.setPlans(null)
    },
  )
  watch(
    () => [
      projects.revision,
      store.weighing,
      store.budgets.join(),
      columns.value.map(({ id, result }) => `${id} ${result.seconds}`).join(),
    ],
    () => {
      const project = projects.project?.folder
      if (project === undefined || columns.value.length === 0) return
      const methods = columns.value.map(({ id }) => id)
      load({ project, methods, budgets: store.budgets.map((bits) => ({ bits })), weighing: store.weighing })
    },
    { immediate: true },
  )

  /** Whether plans are judged by losses of this very model. */
  const isMeasured = computed(
    () => (projects.project?.sensitivity.measured ?? 0) > 0 && projects.project?.data !== null,
  )
  const lines = computed(() => planLines(store.plans, columns.value, isMeasured.value))
  /** Plans of the rows ticked that were not measured yet, each once; and the best ones, that they are held against. */
  const runs = computed(() =>
    store.wanted.size === 0
      ? []
      : runsOf(lines.value.filter(({ id, look }) => store.wanted.has(id) || look === 'sensitivity')),
  )
  const running = computed(() => jobs.liveHere.filter(({ kind }) => kind === 'run'))
  const measure = useAction(async () => {
    const project = projects.project?.folder
    if (project === undefined) return
    for (const { name, recipe } of runs.value) await client.call('run.start', { project, recipe, name })
  })
  const stop = useAction(async () => {
    for (const { id } of running.value.toReversed()) await client.call('job.cancel', { job: id })
  })
  return { fault, isMeasured, lines, runs, running, measure, stop }
}
