import type { z } from 'zod'

// What the window keeps between two loads of its page. Storage may be refused, or hold what an older window wrote: then
// nothing is remembered, and the window works as if it were new.

/** null: nothing, or nothing of this form. `where`: for good, or as long as this window (`sessionStorage`). */
export function recall<S extends z.ZodType>(key: string, schema: S, where = () => localStorage): z.output<S> | null {
  try {
    const text = where().getItem(key)
    return text === null ? null : schema.parse(JSON.parse(text))
  } catch {
    return null
  }
}

/** null forgets it. */
export function remember(key: string, value: unknown, where = () => localStorage): void {
  try {
    if (value === null) where().removeItem(key)
    else where().setItem(key, JSON.stringify(value))
  } catch {
    // as above
  }
}
