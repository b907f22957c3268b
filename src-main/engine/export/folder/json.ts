import type { Json, JsonMap } from '../../checkpoint/json.ts'

/** A document as text, two blanks deep, keys in their own order. */
export const jsonText = (value: Json): string => `${JSON.stringify(plainOf(value), null, 2)}\n`

/** Maps as objects; keys that JSON.stringify would reorder or drop (numbers, __proto__) are rare, and kept as text. */
function plainOf(value: Json): unknown {
  if (Array.isArray(value)) return value.map(plainOf)
  if (!(value instanceof Map)) return value
  const plain: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const [key, item] of value) plain[key] = plainOf(item)
  return plain
}

export const jsonBytes = (value: Json): Uint8Array => new TextEncoder().encode(jsonText(value))

/** Plain objects as a document. */
export function documentOf(value: unknown): Json {
  if (Array.isArray(value)) return value.map(documentOf)
  if (typeof value !== 'object' || value === null) return value as Json
  const map: JsonMap = new Map()
  for (const [key, item] of Object.entries(value)) if (item !== undefined) map.set(key, documentOf(item))
  return map
}
