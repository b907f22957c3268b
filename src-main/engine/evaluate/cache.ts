// The original's outputs on a data set: many candidates are compared with the same original, one after the other.
import type { TensorValue } from '../runtime/types.ts'

const mostBytes = 512 * 2 ** 20

interface Entry {
  batches: Map<number, Map<string, TensorValue>>
  bytes: number
}

const entries = new Map<string, Entry>()
let total = 0

const bytesOf = (values: ReadonlyMap<string, TensorValue>) =>
  [...values.values()].reduce((sum, value) => sum + value.data.byteLength, 0)

function makeRoom(bytes: number, keep: string): boolean {
  for (const [key, entry] of entries) {
    if (total + bytes <= mostBytes) break
    if (key === keep) continue
    entries.delete(key)
    total -= entry.bytes
  }
  return total + bytes <= mostBytes
}

/** Outputs kept under a key that names everything they depend on. What does not fit is computed again. */
export function outputCache(key: string) {
  return {
    get: (batch: number): Map<string, TensorValue> | undefined => entries.get(key)?.batches.get(batch),
    put(batch: number, values: Map<string, TensorValue>): void {
      const bytes = bytesOf(values)
      if (!makeRoom(bytes, key)) return
      const entry = entries.get(key) ?? { batches: new Map(), bytes: 0 }
      entries.set(key, entry)
      if (entry.batches.has(batch)) return
      entry.batches.set(batch, values)
      entry.bytes += bytes
      total += bytes
    },
  }
}

/** Empties it: for tests, and before work that needs the memory. */
export function clearOutputCache(): void {
  entries.clear()
  total = 0
}
