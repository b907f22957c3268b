import { useVirtualizer } from '@tanstack/vue-virtual'
import { computed, type Ref } from 'vue'

interface RowCursorOptions {
  scroller: Ref<HTMLElement | null>
  count: () => number
  /** Index of the row that is chosen, -1 where none is shown. */
  at: () => number
  /** A row the cursor may not rest on (a group heading). */
  isHeading: (index: number) => boolean
  height: (index: number) => number
  keyOf: (index: number) => string
  choose: (index: number) => void
}

const page = 12

/** Where the cursor lands when it wants to go to `to`: inside the list, and past headings in the direction it came from. */
export function landing(from: number, to: number, count: number, isHeading: (index: number) => boolean): number {
  if (count === 0) return -1
  const step = to < from ? -1 : 1
  let at = Math.max(0, Math.min(count - 1, to))
  while (at >= 0 && at < count && isHeading(at)) at += step
  if (at >= 0 && at < count) return at
  at = Math.max(0, Math.min(count - 1, to))
  while (at >= 0 && at < count && isHeading(at)) at -= step
  return at >= 0 && at < count ? at : -1
}

/** A virtualised list of rows with one cursor that the arrow keys move. */
export function useRowCursor(options: RowCursorOptions) {
  const virtualizer = useVirtualizer(
    computed(() => ({
      count: options.count(),
      getScrollElement: () => options.scroller.value,
      estimateSize: options.height,
      getItemKey: options.keyOf,
      overscan: 8,
      initialRect: { width: 800, height: 600 },
    })),
  )
  const items = computed(() => virtualizer.value.getVirtualItems())
  const totalHeight = computed(() => virtualizer.value.getTotalSize())

  function move(to: number): void {
    const at = landing(options.at(), to, options.count(), options.isHeading)
    if (at < 0) return
    options.choose(at)
    virtualizer.value.scrollToIndex(at, { align: 'auto' })
  }
  function key(event: KeyboardEvent): boolean {
    const at = options.at()
    const moves: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: options.count() - 1,
    }
    const to = moves[event.key]
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return false
    event.preventDefault()
    move(to)
    return true
  }
  const reveal = (index: number): void => virtualizer.value.scrollToIndex(index, { align: 'auto' })
  return { items, totalHeight, key, move, reveal }
}
