import { defineStore } from 'pinia'
import { shallowRef } from 'vue'
import { type FaultShape, toFault } from '../../src-preload/contract/fault.ts'
import type { Step } from './session.ts'

export interface Toast {
  id: number
  tone: 'good' | 'bad' | 'info'
  title: string
  text: string
  fault: FaultShape | null
  /** Where its button leads. */
  action: { title: string; step: Step } | null
}

let lastId = 0

export const useToasts = defineStore('toasts', () => {
  const all = shallowRef<Toast[]>([])

  function show(toast: Pick<Toast, 'tone' | 'title' | 'text'> & Partial<Pick<Toast, 'fault' | 'action'>>): void {
    all.value = [...all.value.slice(-2), { fault: null, action: null, ...toast, id: ++lastId }]
  }
  function showError(error: unknown): void {
    const fault = toFault(error).toShape()
    if (fault.code === 'cancelled') return
    show({ tone: 'bad', title: fault.message, text: fault.hint ?? '', fault })
  }
  return { all, show, showError, drop: (id: number) => void (all.value = all.value.filter((t) => t.id !== id)) }
})
