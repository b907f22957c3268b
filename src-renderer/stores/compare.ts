import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { z } from 'zod'
import { type FrontAxis, frontAxes } from '../../src-preload/contract/front-axis.ts'
import { type Lever, levers as allLevers } from '../../src-preload/contract/results.ts'
import { recall, remember } from './remember.ts'

export { frontAxes as frontXs }
export type FrontX = FrontAxis

/** How a project's front is looked at. `null` for a scale: as fits what is shown. */
const lookSchema = z.object({
  x: z.enum(frontAxes).catch('size'),
  metric: z.string().catch('klDivergence'),
  isXLog: z.boolean().catch(true),
  isYLog: z.boolean().nullable().catch(null),
  levers: z.array(z.enum(allLevers)).catch([...allLevers]),
})
export type FrontLook = z.infer<typeof lookSchema>
const usual: FrontLook = { x: 'size', metric: 'klDivergence', isXLog: true, isYLog: null, levers: [...allLevers] }
const keyOf = (folder: string): string => `lathe.front.${folder}`

/** A point is chosen by the key that `features/compare/points.ts` gives it. The look is remembered for each project. */
export const useCompare = defineStore('compare', () => {
  const look = shallowRef<FrontLook>(usual)
  const chosen = ref<string | null>(null)
  const hovered = ref<string | null>(null)
  let folder: string | null = null

  /** Called when a project is shown: its look comes back, and nothing of the last one stays chosen. */
  function open(next: string | null): void {
    if (next === folder) return
    folder = next
    look.value = next === null ? usual : (recall(keyOf(next), lookSchema) ?? usual)
    chosen.value = hovered.value = null
  }
  function set(change: Partial<FrontLook>): void {
    look.value = { ...look.value, ...change }
    if (folder !== null) remember(keyOf(folder), look.value)
  }
  const toggleLever = (lever: Lever): void =>
    set({
      levers: look.value.levers.includes(lever)
        ? look.value.levers.filter((one) => one !== lever)
        : [...look.value.levers, lever],
    })
  return {
    look,
    chosen,
    hovered,
    x: computed(() => look.value.x),
    metric: computed(() => look.value.metric),
    open,
    set,
    toggleLever,
    choose: (key: string | null) => void (chosen.value = key),
    hover: (key: string | null) => void (hovered.value = key),
  }
})
