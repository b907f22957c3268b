import type { Choices } from './define.ts'

/** Plain twin of solve(): the least loss within the budget by trying everything. Infinity when nothing fits. */
export function solveReference(layers: readonly Choices[], budgetBytes: number): number {
  const [layer, ...rest] = layers
  if (layer === undefined) return budgetBytes >= 0 ? 0 : Infinity
  let best = Infinity
  layer.bytes.forEach((bytes, option) => {
    if (bytes > budgetBytes) return
    best = Math.min(best, (layer.loss[option] ?? 0) + solveReference(rest, budgetBytes - bytes))
  })
  return best
}
