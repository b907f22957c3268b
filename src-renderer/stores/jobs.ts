import { defineStore } from 'pinia'
import { computed, shallowRef } from 'vue'
import type { Job, JobKind } from '../../src-preload/contract/job.ts'
import { useProject } from './project.ts'

const isLive = (job: Job): boolean => job.state === 'running' || job.state === 'queued'

/** Every job the application knows, as the last snapshot showed them. */
export const useJobs = defineStore('jobs', () => {
  const all = shallowRef<Job[]>([])
  const ofProject = computed(() => {
    const folder = useProject().project?.folder
    return all.value.filter((job) => job.project === folder)
  })
  const live = computed(() => all.value.filter(isLive))
  const running = computed(() => all.value.find((job) => job.state === 'running') ?? live.value[0] ?? null)
  const liveHere = computed(() => ofProject.value.filter(isLive))
  const ended = computed(() => ofProject.value.filter((job) => !isLive(job)))

  /** The job of this kind that is under way in the open project. */
  const liveOf = (kind: JobKind): Job | null => liveHere.value.find((job) => job.kind === kind) ?? null

  return { all, ofProject, live, running, liveHere, ended, liveOf, set: (next: Job[]) => void (all.value = next) }
})
