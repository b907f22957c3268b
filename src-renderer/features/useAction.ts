import { ref, shallowRef } from 'vue'
import { type FaultShape, toFault } from '../../src-preload/contract/fault.ts'

/** A button's work: busy while it runs, and its fault kept to be shown beside the button. */
export function useAction<A extends unknown[]>(work: (...args: A) => Promise<void>) {
  const isBusy = ref(false)
  const fault = shallowRef<FaultShape | null>(null)

  async function run(...args: A): Promise<void> {
    if (isBusy.value) return
    isBusy.value = true
    fault.value = null
    try {
      await work(...args)
    } catch (error) {
      const shape = toFault(error).toShape()
      if (shape.code !== 'cancelled') fault.value = shape
    } finally {
      isBusy.value = false
    }
  }
  return { isBusy, fault, run, clear: () => void (fault.value = null) }
}
