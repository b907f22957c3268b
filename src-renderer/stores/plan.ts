import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { z } from 'zod'
import {
  type Budget,
  budgetSchema,
  type Constraints,
  constraintsSchema,
  type Methods,
  noConstraints,
  type Plan,
} from '../../src-preload/contract/plan.ts'
import { recall, remember } from './remember.ts'

/** A plan as it is shown. While the hand moves it is followed without asking, and has no recipe until it rests. */
export type LivePlan = Omit<Plan, 'recipe' | 'solveMs'> & { recipe: Plan['recipe'] | null }

/** What the person decided: a budget, layers that must keep an option, and what else a plan must keep. This is what undo
 *  steps through. */
export interface Draft {
  budget: Budget
  locked: Readonly<Record<string, string>>
  /** Absent: none. */
  constraints?: Constraints
  /** Who chooses. Absent: the exact one that knows all that is asked. */
  allocator?: string
  /** Quantizer and preparations, once they were changed here; until then, those of the project. */
  methods?: Methods
}

const start: Draft = { budget: { bits: 4 }, locked: {} }
const longestHistory = 200

/** What is remembered of a project's draft: all but the methods, which the project keeps itself. */
const keptSchema = z.object({
  budget: budgetSchema.catch(start.budget),
  locked: z.record(z.string(), z.string()).catch({}),
  constraints: constraintsSchema.optional().catch(undefined),
  allocator: z.string().optional().catch(undefined),
  comparesUniform: z.boolean().catch(true),
})
const keyOf = (folder: string): string => `lathe.plan.${folder}`

const same = <T>(a: T, b: T): boolean => JSON.stringify(a) === JSON.stringify(b)

export const usePlan = defineStore('plan', () => {
  const draft = shallowRef<Draft>(start)
  const plan = shallowRef<LivePlan | null>(null)
  /** The same for what need not follow within the frame: lists, notes, explanations. */
  const calm = shallowRef<LivePlan | null>(null)
  const isDragging = ref(false)
  const comparesUniform = ref(true)
  const past = shallowRef<Draft[]>([])
  const future = shallowRef<Draft[]>([])
  let settled: Draft = start
  let folder: string | null = null
  /** The draft was remembered, and whether its layers and options are still there was not looked at yet. */
  const isUnchecked = ref(false)
  /** What had to be left out of it, in words, until it was read. */
  const dropped = shallowRef<readonly string[]>([])

  const constraints = computed(() => draft.value.constraints ?? noConstraints)
  const lockedCount = computed(() => Object.keys(draft.value.locked).length)

  /** `next` is where the draft rests: what the next step of the history goes back to, and what is remembered. */
  function rest(next: Draft): void {
    settled = draft.value = next
    keep()
  }
  function keep(): void {
    const { methods: _ofProject, ...own } = settled
    if (folder !== null) remember(keyOf(folder), { ...own, comparesUniform: comparesUniform.value })
  }
  /** Follows the hand: changes the draft without a step in the history. */
  function drag(budget: Budget): void {
    if (same(budget, draft.value.budget)) return
    isDragging.value = true
    draft.value = { ...draft.value, budget }
  }
  /** The hand let go: what the draft is now becomes one step. */
  function settle(): void {
    isDragging.value = false
    if (same(draft.value, settled)) return
    past.value = [...past.value, settled].slice(-longestHistory)
    future.value = []
    rest(draft.value)
  }
  function setBudget(budget: Budget): void {
    draft.value = { ...draft.value, budget }
    settle()
  }
  function setConstraints(next: Constraints): void {
    const { constraints: _old, ...rest } = draft.value
    draft.value = same(next, noConstraints) ? rest : { ...rest, constraints: next }
    settle()
  }
  /** null: the exact one again. */
  function setAllocator(next: string | null): void {
    const { allocator: _old, ...rest } = draft.value
    draft.value = next === null ? rest : { ...rest, allocator: next }
    settle()
  }
  /** A plan that was made before: its budget, all of its layers locked, and the methods it was made with. */
  function load(next: Draft, kept: Methods): void {
    settled = { ...settled, methods: settled.methods ?? kept }
    draft.value = next
    settle()
  }
  function lock(layer: string, option: string): void {
    draft.value = { ...draft.value, locked: { ...draft.value.locked, [layer]: option } }
    settle()
  }
  function unlock(layer: string): void {
    const { [layer]: _gone, ...locked } = draft.value.locked
    draft.value = { ...draft.value, locked }
    settle()
  }
  /** `kept`: those of the project, which undo goes back to. */
  function setMethods(next: Methods, kept: Methods): void {
    settled = { ...settled, methods: settled.methods ?? kept }
    draft.value = { ...draft.value, methods: next }
    settle()
  }
  /** They could not be had: back to what the project has, and no step of the history leads to them. */
  function dropMethods(kept: Methods): void {
    if (draft.value.methods === undefined) return
    rest({ ...draft.value, methods: kept })
    if (past.value.length > 0 && same(past.value.at(-1) ?? start, settled)) past.value = past.value.slice(0, -1)
  }
  function unlockAll(): void {
    draft.value = { ...draft.value, locked: {} }
    settle()
  }
  function reset(): void {
    draft.value = { ...start, ...(draft.value.methods && { methods: draft.value.methods }) }
    settle()
  }
  function undo(): void {
    const previous = past.value.at(-1)
    if (!previous) return
    past.value = past.value.slice(0, -1)
    future.value = [settled, ...future.value]
    rest(previous)
  }
  function redo(): void {
    const next = future.value[0]
    if (!next) return
    future.value = future.value.slice(1)
    past.value = [...past.value, settled]
    rest(next)
  }
  function setPlan(next: LivePlan): void {
    plan.value = next
    if (!isDragging.value) calm.value = next
  }
  /** Another export format: other options, so no lock holds; the budget stays. */
  function replan(): void {
    const { constraints: _old, ...others } = draft.value
    begin({ ...others, locked: {} })
    keep()
  }
  /** Another project: nothing carries over, and its own draft comes back as it was left. */
  function open(next: string | null): void {
    folder = next
    const kept = next === null ? null : recall(keyOf(next), keptSchema)
    const { comparesUniform: compares = true, ...own } = kept ?? {}
    comparesUniform.value = compares
    isUnchecked.value = kept !== null
    begin({ ...start, ...own })
  }
  function begin(next: Draft): void {
    settled = draft.value = next
    past.value = []
    future.value = []
    plan.value = calm.value = null
    dropped.value = []
  }
  /** The remembered draft was held against what the project offers now: what stands of it, and what is gone, in words. */
  function check(next: Draft, gone: readonly string[]): void {
    isUnchecked.value = false
    dropped.value = gone
    if (gone.length > 0) rest(next)
  }

  return {
    draft,
    plan,
    calm,
    comparesUniform,
    past,
    future,
    lockedCount,
    isDragging,
    constraints,
    drag,
    settle,
    setBudget,
    setConstraints,
    setAllocator,
    load,
    setMethods,
    dropMethods,
    lock,
    unlock,
    unlockAll,
    reset,
    undo,
    redo,
    replan,
    open,
    isUnchecked,
    dropped,
    check,
    forgetDropped: () => void (dropped.value = []),
    setPlan,
    /** What does not follow the hand catches up. */
    calmDown: () => void (calm.value = plan.value),
    setComparesUniform(next: boolean) {
      comparesUniform.value = next
      keep()
    },
  }
})
