import { onScopeDispose, watch } from 'vue'
import { toFault } from '../../../src-preload/contract/fault.ts'
import type { Job } from '../../../src-preload/contract/job.ts'
import { useLathe } from '../../api/lathe.ts'
import { useJobs } from '../../stores/jobs.ts'
import { type Read, useProject } from '../../stores/project.ts'
import { type Step, useSession } from '../../stores/session.ts'
import { useToasts } from '../../stores/toasts.ts'
import { latest } from '../latest.ts'

const endings: Record<Job['kind'], { title: string; step: Step }> = {
  run: { title: 'See the front', step: 'compare' },
  front: { title: 'See the front', step: 'compare' },
  evaluate: { title: 'See the front', step: 'compare' },
  sensitivity: { title: 'Plan', step: 'plan' },
  score: { title: 'Scores', step: 'scores' },
  export: { title: 'See the files', step: 'export' },
  convert: { title: 'See the files', step: 'convert' },
  importance: { title: 'Plan', step: 'plan' },
  shootout: { title: 'Shoot-out', step: 'shootout' },
  floor: { title: 'Smallest that loses little enough', step: 'compare' },
}

/** Screens that say in their place what could not be read. */
const saidIn: Record<Read, readonly Step[]> = { options: ['plan', 'scores'], front: ['plan', 'compare'] }

/** Keeps the stores equal to what Lathe says: first load, snapshots pushed later, and a fresh look after a reconnect. */
export function useSync(): void {
  const { client, connection } = useLathe()
  const session = useSession()
  const projects = useProject()
  const jobs = useJobs()
  const toasts = useToasts()

  function announce(next: Job[]): void {
    const before = new Map(jobs.all.map((job) => [job.id, job.state]))
    for (const job of next) {
      const was = before.get(job.id)
      if (was === undefined || was === job.state || was === 'done' || was === 'failed') continue
      const ending = endings[job.kind]
      // On the very screen that shows the result, the result is announcement enough.
      if (job.state === 'done' && session.step !== 'run' && session.step !== ending.step)
        toasts.show({ tone: 'good', title: 'Done', text: job.title, action: ending })
      // The list of jobs says it itself.
      if (job.state === 'failed' && job.fault && session.step !== 'run')
        toasts.show({
          tone: 'bad',
          title: job.fault.message,
          text: job.title,
          fault: job.fault,
          action: { title: 'Open the job', step: 'run' },
        })
    }
  }

  // Each on its own: the devices take half a second to answer, and the recent projects should not wait for them.
  function load(): void {
    const ask = (work: () => Promise<void>): void => void work().catch(toasts.showError)
    ask(async () => session.setInfo(await client.call('app.info', {})))
    ask(async () => session.setRecents(await client.call('project.recent', {})))
    ask(async () => session.setMethods(await client.call('method.list', {})))
    ask(async () => {
      const devices = await client.call('device.list', {})
      session.setDevices(devices)
      if (devices.every((device) => !device.available || device.gflops !== null)) return
      // A second of measuring at rest, before anything else wants the devices, so that the picker can say how fast each is.
      session.setMeasuringDevices(true)
      const measured = client.call('device.list', { measure: true })
      session.setDevices(await measured.finally(() => session.setMeasuringDevices(false)))
    })
    ask(async () => jobs.set(await client.call('job.list', {})))
    const folder = projects.project?.folder
    if (folder) ask(async () => projects.refresh(await client.call('project.get', { project: folder })))
  }

  const stops = [
    client.on('jobs', (next) => {
      announce(next)
      jobs.set(next)
    }),
    client.on('project', (next) => projects.refresh(next)),
  ]
  onScopeDispose(() => stops.forEach((stop) => stop()))

  // Each on its own, too: options that are there need not wait for a front that fails.
  const reading = <R>(read: Read, get: (project: string) => Promise<R>, set: (answer: R) => void) =>
    latest(
      async (folder: string) => {
        const answer = await get(folder).catch((error: unknown) => {
          if (projects.project?.folder === folder) fail(read, error)
        })
        if (answer !== undefined && projects.project?.folder === folder) set(answer)
      },
      toasts.showError, // what cannot be shown is told, too
    )
  function fail(read: Read, error: unknown): void {
    const fault = toFault(error).toShape()
    if (fault.code === 'cancelled') return
    projects.setFault(read, fault)
    if (!saidIn[read].includes(session.step)) toasts.showError(error)
  }
  const reads = [
    reading('options', (project) => client.call('option.list', { project }), projects.setOptions),
    reading('front', (project) => client.call('front.get', { project }), projects.setFront),
  ]
  watch(
    // What a job measures last, the time a file takes to run, stands in no snapshot: that it ended is a reason to ask, too.
    () => `${projects.revision}|${jobs.ended.length}`,
    () => {
      const folder = projects.project?.folder
      if (folder !== undefined) for (const read of reads) read(folder)
    },
    { immediate: true },
  )
  watch(
    () => connection.value.state,
    (state, was) => state === 'open' && was === 'lost' && load(),
  )
  load()
}
