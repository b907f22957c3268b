import { computed, shallowRef, watch } from 'vue'
import { type FaultShape, toFault } from '../../../src-preload/contract/fault.ts'
import { useLathe } from '../../api/lathe.ts'
import { type Draft, usePlan } from '../../stores/plan.ts'
import { useProject } from '../../stores/project.ts'
import { latest } from '../latest.ts'
import { bitRange } from './planRows.ts'

interface Question extends Draft {
  project: string
}

/** Solves whenever the draft or what is known about the network changes: one question in flight, the newest wins. */
export function usePlanning() {
  const { client } = useLathe()
  const store = usePlan()
  const projects = useProject()
  const fault = shallowRef<FaultShape | null>(null)

  const solve = latest(
    async ({ project, budget, locked }: Question) => {
      const plan = await client.call('plan.solve', { project, budget, locked: { ...locked } })
      if (projects.project?.folder !== project) return
      store.setPlan(plan)
      fault.value = null
    },
    (error) => {
      fault.value = toFault(error).toShape()
    },
  )
  const range = computed(() => bitRange(projects.options))
  /** What is asked for: the draft, its width inside what this format offers (not every one has 4 bits, or 2). */
  const asked = computed((): Draft => {
    const { budget } = store.draft
    // With other data other options are offered: what is locked to one that is gone is free again.
    const stands = ([layer, id]: [string, string]): boolean =>
      projects.options === null || (projects.optionsByName.get(layer)?.some((option) => option.id === id) ?? false)
    const locked = Object.fromEntries(Object.entries(store.draft.locked).filter(stands))
    if (!('bits' in budget)) return { budget, locked }
    const { min, max } = range.value
    return { budget: { bits: Math.min(max, Math.max(min, budget.bits)) }, locked }
  })
  watch(
    () => [JSON.stringify(asked.value), projects.revision] as const,
    () => {
      const project = projects.project?.folder
      if (project) solve({ project, ...asked.value })
    },
    { immediate: true },
  )

  /** Smallest and largest file the options allow, in bytes; null until a plan and the options are known. */
  const bounds = computed(() => {
    const plan = store.plan
    const options = projects.options
    if (!plan || !options) return null
    const fixed = plan.predicted.bytes - plan.layers.reduce((sum, layer) => sum + layer.bytes, 0)
    let least = fixed
    let most = fixed
    for (const { options: list } of options) {
      if (list.length === 0) continue
      least += Math.min(...list.map((option) => option.bytes))
      most += Math.max(...list.map((option) => option.bytes))
    }
    return { least, most }
  })
  /** Where the slider stands. A budget in bytes has no width of its own: the plan's average stands for it. */
  const bits = computed(() => {
    const { budget } = store.draft
    const { min, max } = range.value
    const value = 'bits' in budget ? budget.bits : (store.plan?.predicted.averageBits ?? min)
    return Math.min(max, Math.max(min, value))
  })
  return { fault, bounds, bits, range }
}
