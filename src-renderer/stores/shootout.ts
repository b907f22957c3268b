import { defineStore } from 'pinia'
import { ref, shallowRef } from 'vue'
import type { Shootout } from '../../src-preload/contract/shootout.ts'

/** What the options of a layer are compared by. */
export type ShootoutMetric = 'output' | 'weight'

/** The shoot-out of the chosen layer: its rows as last told, and how they are looked at. Kept while the person looks elsewhere. */
export const useShootoutStore = defineStore('shootout', () => {
  const result = shallowRef<Shootout | null>(null)
  const metric = ref<ShootoutMetric>('output')
  /** Quantizers left out, of the table and of what is tried next. */
  const off = shallowRef<ReadonlySet<string>>(new Set())
  const text = ref('')
  const chosen = ref<string | null>(null)
  const hovered = ref<string | null>(null)

  function setResult(next: Shootout | null): void {
    if (next?.layer !== result.value?.layer) chosen.value = hovered.value = null
    result.value = next
  }
  function toggle(method: string): void {
    const next = new Set(off.value)
    if (!next.delete(method)) next.add(method)
    off.value = next
  }
  return {
    result,
    metric,
    off,
    text,
    chosen,
    hovered,
    setResult,
    toggle,
    setOff: (methods: Iterable<string>) => void (off.value = new Set(methods)),
    choose: (key: string | null) => void (chosen.value = key),
    hover: (key: string | null) => void (hovered.value = key),
  }
})
