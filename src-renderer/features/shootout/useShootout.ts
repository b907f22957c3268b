import { computed, shallowRef, watch } from 'vue'
import { type FaultShape, toFault } from '../../../src-preload/contract/fault.ts'
import { useLathe } from '../../api/lathe.ts'
import { useJobs } from '../../stores/jobs.ts'
import { useProject } from '../../stores/project.ts'
import { useSession } from '../../stores/session.ts'
import { useShootoutStore } from '../../stores/shootout.ts'
import { latest } from '../latest.ts'
import { useAction } from '../useAction.ts'
import { chips, shootoutChart, shootoutLines } from './lines.ts'

/** The shoot-out of the chosen layer: asked for when the layer changes, and again whenever its job has moved. */
export function useShootout() {
  const { client } = useLathe()
  const projects = useProject()
  const session = useSession()
  const jobs = useJobs()
  const store = useShootoutStore()
  const fault = shallowRef<FaultShape | null>(null)

  const layers = computed(() => projects.layers.filter(({ compressible }) => compressible))
  const layer = computed(() => (projects.chosenLayer?.compressible ? projects.layer : null))
  const job = computed(() => jobs.liveOf('shootout'))
  const ended = computed(() => jobs.ended.findLast(({ kind }) => kind === 'shootout') ?? null)
  /** Data that can flow through the network. */
  const hasInputs = computed(() => projects.project?.data !== null && projects.project?.checkpoint.task !== 'none')

  const load = latest(
    async ({ project, layer: asked }: { project: string; layer: string }) => {
      const result = await client.call('shootout.get', { project, layer: asked })
      if (projects.project?.folder !== project || layer.value !== asked) return
      store.setResult(result)
      fault.value = null
    },
    (error) => {
      fault.value = toFault(error).toShape()
    },
  )
  watch(
    () => {
      const { project } = projects
      const now = job.value
      return [
        project?.folder,
        layer.value,
        project?.data?.fingerprint,
        now?.step,
        now?.unitsDone,
        now?.state,
        ended.value?.id,
      ]
    },
    () => {
      const project = projects.project?.folder
      if (layer.value !== store.result?.layer) store.setResult(null)
      if (project !== undefined && layer.value !== null) load({ project, layer: layer.value })
    },
    { immediate: true },
  )

  const rows = computed(() => store.result?.rows ?? [])
  const quantizers = computed(() =>
    chips(session.methods, rows.value, { done: store.result?.done ?? [], hasInputs: hasInputs.value }),
  )
  /** Without inputs there is no output to compare. */
  const metric = computed(() =>
    store.metric === 'output' && rows.value.length > 0 && rows.value.every((row) => row.outputError === null)
      ? 'weight'
      : store.metric,
  )
  const lines = computed(() =>
    shootoutLines(rows.value, quantizers.value, { metric: metric.value, off: store.off, text: store.text }),
  )
  const chart = computed(() =>
    shootoutChart(lines.value, { metric: metric.value, chosen: store.chosen, hovered: store.hovered }),
  )
  /** What a start would try: quantizers that are on, can be tried, and have something left. */
  const todo = computed(() =>
    quantizers.value.filter(({ id, closed, isDone }) => closed === null && !isDone && !store.off.has(id)),
  )

  const start = useAction(async () => {
    const project = projects.project?.folder
    if (project === undefined || layer.value === null) return
    await client.call('shootout.start', { project, layer: layer.value, methods: todo.value.map(({ id }) => id) })
  })
  const stop = useAction(async () => {
    if (job.value) await client.call('job.cancel', { job: job.value.id })
  })
  return { layers, layer, job, ended, hasInputs, fault, rows, quantizers, metric, lines, chart, todo, start, stop }
}
