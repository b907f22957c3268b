import { onMounted, onUnmounted } from 'vue'
import { keyTo, type Step } from '../../stores/session.ts'

export const shortcuts: { what: string; keys: string[] }[] = [
  { what: 'Go to a step', keys: ['1', '…', '7'] },
  { what: 'Scores: which layers matter', keys: ['S'] },
  { what: 'Convert a checkpoint', keys: ['8'] },
  { what: 'Shoot-out of quantizers on a layer', keys: ['9'] },
  { what: 'All methods, explained', keys: ['0'] },
  { what: 'Open a checkpoint', keys: ['Ctrl', 'O'] },
  { what: 'Undo, redo in Plan', keys: ['Ctrl', 'Z', 'Shift'] },
  { what: 'Search the table of the screen', keys: ['/'] },
  { what: 'Move in tables, lists and on the slider', keys: ['↑', '↓', '←', '→'] },
  { what: 'Larger steps on the slider', keys: ['Shift', '→'] },
  { what: 'Choose the row; lock the layer in Plan', keys: ['Enter', 'L'] },
  { what: 'This list', keys: ['?'] },
  { what: 'Close a dialog or a menu', keys: ['Esc'] },
]

export interface ShortcutActions {
  go(step: Step): void
  open(): void
  help(): void
  undo(): void
  redo(): void
  search(): void
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || target.matches('input, textarea, select'))

/** Which action a key means; null where the key belongs to whatever has the focus. */
export function shortcutFor(event: KeyboardEvent, actions: ShortcutActions): (() => void) | null {
  const withCommand = (event.ctrlKey || event.metaKey) && !event.altKey
  const key = event.key.toLowerCase()
  if (withCommand && key === 'o') return () => actions.open()
  if (isTyping(event.target)) return null
  if (withCommand && key === 'z') return () => (event.shiftKey ? actions.redo() : actions.undo())
  if (withCommand && key === 'y') return () => actions.redo()
  if (withCommand || event.altKey) return null
  if (event.key === '?') return () => actions.help()
  if (event.key === '/') return () => actions.search()
  const step = (Object.keys(keyTo) as Step[]).find((candidate) => keyTo[candidate] === key)
  return step ? () => actions.go(step) : null
}

export function useShortcuts(actions: ShortcutActions): void {
  function listen(event: KeyboardEvent): void {
    if (event.defaultPrevented || document.querySelector('[role="dialog"]')) return
    const action = shortcutFor(event, actions)
    if (!action) return
    event.preventDefault()
    action()
  }
  onMounted(() => window.addEventListener('keydown', listen))
  onUnmounted(() => window.removeEventListener('keydown', listen))
}
