import { nextTick, ref, shallowRef } from 'vue'
import { type FaultShape, toFault } from '../../src-preload/contract/fault.ts'

/** A button's work: busy while it runs, and its fault kept to be shown beside the button. A busy button is disabled, which
 *  takes the focus away from it: it comes back unless it went elsewhere meanwhile. */
export function useAction<A extends unknown[]>(work: (...args: A) => Promise<void>) {
  const isBusy = ref(false)
  const fault = shallowRef<FaultShape | null>(null)

  async function run(...args: A): Promise<void> {
    if (isBusy.value) return
    const button = document.activeElement
    isBusy.value = true
    fault.value = null
    try {
      await work(...args)
    } catch (error) {
      const shape = toFault(error).toShape()
      if (shape.code !== 'cancelled') fault.value = shape
    } finally {
      isBusy.value = false
      await nextTick()
      if (document.activeElement === document.body && button instanceof HTMLElement && button.isConnected)
        button.focus({ preventScroll: true })
    }
  }
  return { isBusy, fault, run, clear: () => void (fault.value = null) }
}
