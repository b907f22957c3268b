import { defineStore } from 'pinia'
import { ref, shallowRef } from 'vue'
import type { MethodUse } from '../../src-preload/contract/plan.ts'
import type { ScorePlans, Weighing, Xray } from '../../src-preload/contract/scores.ts'

export const scoreViews = ['choose', 'ranks', 'agreement', 'details', 'plans', 'xray'] as const
export type ScoreView = (typeof scoreViews)[number]
/** What rows are sorted by: the network's own order, the measured sensitivity, or a score's id. */
export type RankSort = { by: string; isRising: boolean }
export const networkOrder = 'network'
export const measuredLoss = 'sensitivity'

/** How the scores of the project are looked at, and what was asked about them. Kept while the person looks elsewhere. */
export const useScoresStore = defineStore('scores', () => {
  const folder = ref<string | null>(null) // of the project that all this is about
  const view = ref<ScoreView | null>(null) // null until the person chose: what is there decides
  /** Scores left out of the next measurement. */
  const off = shallowRef<ReadonlySet<string>>(new Set())
  const parameters = shallowRef<Readonly<Record<string, MethodUse['parameters']>>>({})
  const sort = ref<RankSort>({ by: networkOrder, isRising: true })
  const text = ref('')
  /** Bits of the options whose measured losses scores are held against; null: the best measured ones. */
  const width = ref<number | null>(null)
  const pair = ref<{ x: string | null; y: string | null }>({ x: null, y: null })
  const detail = ref<string | null>(null)
  const budgets = shallowRef<readonly number[]>([2.5, 3, 3.5, 4])
  const weighing = ref<Weighing>('rank')
  const plans = shallowRef<ScorePlans | null>(null)
  /** Rows of plans that are to be run and measured. */
  const wanted = shallowRef<ReadonlySet<string>>(new Set())
  const xrays = shallowRef<ReadonlyMap<string, Xray>>(new Map())

  const toggled = (set: ReadonlySet<string>, id: string): Set<string> => {
    const next = new Set(set)
    if (!next.delete(id)) next.add(id)
    return next
  }
  return {
    view,
    off,
    parameters,
    sort,
    text,
    width,
    pair,
    detail,
    budgets,
    weighing,
    plans,
    wanted,
    xrays,
    show: (next: ScoreView) => void (view.value = next),
    toggle: (method: string) => void (off.value = toggled(off.value, method)),
    setOff: (methods: Iterable<string>) => void (off.value = new Set(methods)),
    setParameters: (method: string, next: MethodUse['parameters']) =>
      void (parameters.value = { ...parameters.value, [method]: next }),
    /** The same column again turns the order round. */
    sortBy(by: string) {
      const { by: was, isRising } = sort.value
      sort.value = was === by ? { by, isRising: !isRising } : { by, isRising: by === networkOrder }
    },
    setWidth: (next: number | null) => void (width.value = next),
    setPair: (next: { x: string | null; y: string | null }) => void (pair.value = next),
    setDetail: (method: string | null) => void (detail.value = method),
    toggleBudget(bits: number) {
      const next = budgets.value.includes(bits) ? budgets.value.filter((b) => b !== bits) : [...budgets.value, bits]
      if (next.length > 0) budgets.value = next.sort((a, b) => a - b)
    },
    setPlans: (next: ScorePlans | null) => void (plans.value = next),
    want: (row: string) => void (wanted.value = toggled(wanted.value, row)),
    setXray: (key: string, next: Xray) => void (xrays.value = new Map(xrays.value).set(key, next)),
    /** Of another project, nothing that was measured or chosen on the old one stays. */
    openFor(next: string | null) {
      if (next === folder.value) return
      folder.value = next
      view.value = detail.value = width.value = null
      plans.value = null
      pair.value = { x: null, y: null }
      sort.value = { by: networkOrder, isRising: true }
      text.value = ''
      off.value = wanted.value = new Set()
      xrays.value = new Map()
    },
  }
})
