import { computed, watch } from 'vue'
import { useLathe } from '../../api/lathe.ts'
import { useJobs } from '../../stores/jobs.ts'
import { useProject } from '../../stores/project.ts'
import { measuredLoss, type ScoreView, useScoresStore } from '../../stores/scores.ts'
import { useSession } from '../../stores/session.ts'
import { useAction } from '../useAction.ts'
import { choicesOf } from './choices.ts'
import { agreements, chosenWidth, columnsOf, widthsOf } from './columns.ts'
import { ranksOf } from '../../../src-preload/contract/layer-scores.ts'
import type { AnyColumn } from './rankRows.ts'

/** The scores of the open project: what can be measured, what was, and how they stand to each other. */
export function useScores() {
  const { client } = useLathe()
  const projects = useProject()
  const session = useSession()
  const jobs = useJobs()
  const store = useScoresStore()

  watch(
    () => projects.project?.folder ?? null,
    (folder) => store.openFor(folder),
    { immediate: true },
  )

  const job = computed(() => jobs.liveOf('score'))
  const ended = computed(() => jobs.ended.findLast(({ kind }) => kind === 'score') ?? null)
  const notices = computed(() => (job.value ?? ended.value)?.notices ?? [])
  /** What the last job ended with, where its only score did not fit. */
  const unfit = computed(() => {
    const fault = job.value === null && ended.value?.state === 'failed' ? ended.value.fault : null
    return fault?.code === 'unsupported' ? fault.message : null
  })
  const hasInputs = computed(() => projects.project?.data !== null && projects.project?.checkpoint.task !== 'none')
  const results = computed(() => projects.project?.scores ?? [])
  const layers = computed(() => projects.layers.filter(({ compressible }) => compressible))
  const columns = computed(() => columnsOf(session.methods, results.value, layers.value))
  const choices = computed(() =>
    choicesOf(session.methods, results.value, {
      hasData: projects.project?.data !== null,
      hasGraph: projects.project?.checkpoint.task !== 'none',
      parameters: store.parameters,
      notices: [...notices.value, ...(unfit.value === null ? [] : [unfit.value])],
    }),
  )
  /** Ticked, and those of them that have no result yet, or one with other parameters. */
  const todo = computed(() => choices.value.filter(({ id, closed }) => closed === null && !store.off.has(id)))
  const rest = computed(() => todo.value.filter(({ isDone }) => !isDone))

  const widths = computed(() => widthsOf(projects.options ?? []))
  const width = computed(() => chosenWidth(widths.value, store.width))
  const agreement = computed(() => (width.value ? agreements(columns.value, width.value.losses, layers.value) : []))
  /** The measured loss as one more column. */
  const lossColumn = computed((): AnyColumn | null => {
    const now = width.value
    if (!now) return null
    const names = layers.value.flatMap(({ name }) => (now.losses.has(name) ? [name] : []))
    const values = new Map(names.map((name) => [name, now.losses.get(name) ?? 0]))
    const ranks = ranksOf([...values.values()])
    return {
      id: measuredLoss,
      title: `Measured loss at ${now.bits} bits`,
      values,
      ranks: new Map(names.map((name, at) => [name, ranks[at] ?? 0])),
      unit: ' nats',
    }
  })
  const allColumns = computed((): AnyColumn[] => [
    ...(lossColumn.value ? [lossColumn.value] : []),
    ...columns.value.map((column) => ({ ...column, unit: '' })),
  ])

  // Decided once: results that come must not turn the page under the person's hand.
  if (store.view === null) store.show(results.value.length > 0 ? 'ranks' : 'choose')
  const view = computed({
    get: (): ScoreView => store.view ?? 'choose',
    set: (next) => store.show(next),
  })
  const start = useAction(async () => {
    const project = projects.project?.folder
    if (project === undefined) return
    const uses = (rest.value.length > 0 ? rest : todo).value.map(({ id, parameters }) => ({ method: id, parameters }))
    await client.call('score.start', { project, uses })
  })
  const stop = useAction(async () => {
    if (job.value) await client.call('job.cancel', { job: job.value.id })
  })
  return {
    ...{ store, job, ended, notices, hasInputs, results, layers, columns, allColumns, choices, todo, rest },
    ...{ widths, width, agreement, lossColumn, view, start, stop },
  }
}
