import { defineStore } from 'pinia'
import { ref } from 'vue'

export type FrontX = 'size' | 'bits'

/** How the front is looked at. A point is chosen by the key that `features/compare/points.ts` gives it. */
export const useCompare = defineStore('compare', () => {
  const x = ref<FrontX>('size')
  const metric = ref('klDivergence')
  const chosen = ref<string | null>(null)
  const hovered = ref<string | null>(null)

  return {
    x,
    metric,
    chosen,
    hovered,
    setX: (next: FrontX) => void (x.value = next),
    setMetric: (next: string) => void (metric.value = next),
    choose: (key: string | null) => void (chosen.value = key),
    hover: (key: string | null) => void (hovered.value = key),
  }
})
