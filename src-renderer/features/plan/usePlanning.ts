import { computed, inject, type InjectionKey, onScopeDispose, provide, ref, shallowRef, watch } from 'vue'
import type { Follow } from '../../../src-preload/contract/follow.ts'
import { type FaultShape, toFault } from '../../../src-preload/contract/fault.ts'
import type { Budget } from '../../../src-preload/contract/plan.ts'
import { useLathe } from '../../api/lathe.ts'
import { type Draft, usePlan } from '../../stores/plan.ts'
import { useProject } from '../../stores/project.ts'
import { useSession } from '../../stores/session.ts'
import { latest } from '../latest.ts'
import { bitsAtBytes, bytesAtBits, createFollower } from './follow.ts'
import { bitRange } from './planRows.ts'
import { whatStands } from './whatStands.ts'

interface Question extends Draft {
  project: string
}

/** How long the hand must rest, between two moves, before the exact plan is asked for and lists catch up: drawing them takes
 *  longer than a frame. */
const restMs = 140

type Planning = ReturnType<typeof createPlanning>
const key: InjectionKey<Planning> = Symbol('planning')

/** That of the screen around. */
export function usePlanning(): Planning {
  const planning = inject(key)
  if (!planning) throw new Error('This component was mounted outside of the Plan screen.')
  return planning
}

export function providePlanning(): Planning {
  const planning = createPlanning()
  provide(key, planning)
  return planning
}

/** Follows the hand within the frame, and asks for the exact plan whenever it rests, or anything else changes: one question
 *  in flight, the newest wins. */
function createPlanning() {
  const { client } = useLathe()
  const store = usePlan()
  const projects = useProject()
  const session = useSession()
  const fault = shallowRef<FaultShape | null>(null)
  /** An allocator that may take its time is at it. */
  const isChoosing = ref(false)
  const follow = shallowRef<{ of: string; answer: Follow; locked: Draft['locked'] } | null>(null)

  const solve = latest(
    async ({ project, budget, locked, constraints, allocator: chosen }: Question) => {
      isChoosing.value = chosen !== undefined
      const allocator = chosen ?? null
      const asked = { project, budget, locked: { ...locked }, constraints, allocator }
      const plan = await client.call('plan.solve', asked).finally(() => (isChoosing.value = false))
      if (projects.project?.folder !== project) return
      fault.value = null
      // An answer to where the hand was is older than what follows it now.
      if (follower.value !== null && JSON.stringify(now.value.budget) !== JSON.stringify(budget)) return
      store.setPlan(plan)
      store.calmDown()
    },
    (error) => {
      fault.value = toFault(error).toShape()
    },
  )
  const range = computed(() => bitRange(projects.options))
  // A remembered draft is held against what is offered, once that is known.
  watch(
    () => (store.isUnchecked && session.methods.length > 0 && !projects.areOptionsOld ? projects.options : null),
    (options) => {
      if (options === null) return
      const allocators = session.methods.filter(({ family }) => family === 'allocate').map(({ id }) => id)
      const blocks = projects.project?.checkpoint.blocks ?? 0
      const { draft, gone } = whatStands(store.draft, { options, blocks, allocators })
      store.check(draft, gone)
    },
    { immediate: true },
  )
  const wished = computed(() => store.draft.locked) // the same while the hand moves: nothing below is done again then
  /** With other data other options are offered: what is locked to one that is gone is free again. */
  const locked = computed(() => {
    const stands = ([layer, id]: [string, string]): boolean =>
      projects.options === null || (projects.optionsByName.get(layer)?.some((option) => option.id === id) ?? false)
    return Object.fromEntries(Object.entries(wished.value).filter(stands))
  })
  /** What is asked for: the draft, its width inside what this format offers (not every one has 4 bits, or 2). */
  const now = computed((): Draft => {
    const { budget, constraints, allocator } = store.draft
    const kept = { locked: locked.value, constraints, ...(allocator !== undefined && { allocator }) }
    if (!('bits' in budget)) return { budget, ...kept }
    const { min, max } = range.value
    return { budget: { bits: Math.min(max, Math.max(min, budget.bits)) }, ...kept }
  })

  // Everything on which the walk depends, but for the budget.
  const bounds = computed(() => JSON.stringify([projects.revision, locked.value, store.constraints]))
  const fetchFollow = latest(
    async ({ project, of, locked, constraints }: Question & { of: string }) => {
      const answer = await client.call('plan.follow', { project, locked: { ...locked }, constraints })
      if (bounds.value === of) follow.value = { of, answer, locked }
    },
    () => undefined, // the plan says what is wrong; without a walk the hand is followed by questions
  )
  watch(
    bounds,
    (of) => {
      const project = projects.project?.folder
      if (project) fetchFollow({ project, of, ...now.value })
    },
    { immediate: true },
  )
  const follower = computed(() => {
    if (follow.value === null || follow.value.of !== bounds.value || projects.areOptionsOld) return null
    if (projects.options === null || follow.value.answer.walks.length === 0) return null
    const parametersOf = (layer: string): number => projects.byName.get(layer)?.parameters ?? 0
    // Nothing here may depend on the budget: with hundreds of layers this is no work for every move.
    return createFollower(follow.value.answer, projects.optionsByName, parametersOf, follow.value.locked)
  })

  let resting: ReturnType<typeof setTimeout> | null = null
  function ask(): void {
    if (resting !== null) clearTimeout(resting)
    resting = null
    const project = projects.project?.folder
    if (project) solve({ project, ...now.value })
  }
  function rest(): void {
    // Lists need not wait for an allocator that takes its time.
    if (now.value.allocator !== undefined) store.calmDown()
    ask()
  }
  onScopeDispose(() => {
    if (resting !== null) clearTimeout(resting)
  })
  watch(
    () => [JSON.stringify(now.value), projects.revision, store.isDragging] as const,
    () => {
      const bytes = store.isDragging ? (follower.value?.bytesOf(now.value.budget) ?? null) : null
      if (bytes === null || !follower.value) return ask()
      store.setPlan(follower.value.at(bytes))
      fault.value = null
      if (resting !== null) clearTimeout(resting)
      resting = setTimeout(rest, restMs)
    },
    { immediate: true },
  )

  /** Bytes of all layers at their smallest and at their largest. */
  const extremes = computed(() => {
    let [least, most] = [0, 0]
    for (const { options } of projects.options ?? []) {
      if (options.length === 0) continue
      least += Math.min(...options.map(({ bytes }) => bytes))
      most += Math.max(...options.map(({ bytes }) => bytes))
    }
    return { least, most }
  })
  /** Smallest and largest file the options allow, in bytes; null until a plan and the options are known. */
  const limits = computed(() => {
    const plan = store.calm
    if (!plan || !projects.options) return null
    const fixed = plan.predicted.bytes - plan.layers.reduce((sum, layer) => sum + layer.bytes, 0)
    return { least: fixed + extremes.value.least, most: fixed + extremes.value.most }
  })
  /** Where the slider stands. A budget that names no width stands where its bytes do. */
  const bits = computed(() => {
    const { budget } = store.draft
    const { min, max } = range.value
    const shown = store.plan?.predicted
    const ofBytes = follow.value && shown ? bitsAtBytes(follow.value.answer, shown.bytes) : (shown?.averageBits ?? min)
    const value = 'bits' in budget ? budget.bits : ofBytes
    return Math.min(max, Math.max(min, value))
  })
  /** The budget that the slider means at a width: of the kind that is asked for now, where size tells it. */
  function budgetAt(width: number): Budget {
    const { budget } = store.draft
    const rounded = Math.round(width * 100) / 100
    const bytes = follow.value ? bytesAtBits(follow.value.answer, rounded) : null
    return 'bytes' in budget && bytes !== null ? { bytes: Math.round(bytes) } : { bits: rounded }
  }
  /** Memory that a language model takes beside its weights; null where it is not known, or not yet. */
  const running = computed(() => follow.value?.answer.running ?? null)
  return { fault, isChoosing, bounds: limits, bits, range, budgetAt, running }
}
