import { Fault } from '../../../../src-preload/contract/fault.ts'

/**
 * Sparsity of each layer from its importance, so that all layers together have the sparsity `global`.
 *   Sung, Yoon & Bansal 2024, "ECoFLaP", section 3.3 and its published code: every layer keeps at least (1 - max) of its
 *   weights; what else may be kept is handed out in proportion to importance, and what a full layer cannot take goes to the
 *   others in the same way.
 * `sizes` are numbers of weights. Without any importance all layers get `global`. Faults 'bad-arguments' where `max` is
 * below `global`, or an importance is negative.
 */
export function sparsityRatios(
  importances: readonly number[],
  sizes: readonly number[],
  global: number,
  { max = Math.min(1, global + 0.1) }: { max?: number } = {},
): number[] {
  if (max < global || global < 0 || max > 1)
    throw new Fault(
      'bad-arguments',
      `No layer may be sparser than ${max}, so all together cannot be ${global} sparse.`,
      {
        hint: 'Raise the most that one layer may lose, or lower the sparsity.',
        data: { field: 'max', found: String(max), expected: `${global} to 1` },
      },
    )
  const negative = importances.find((importance) => importance < 0)
  if (negative !== undefined)
    throw new Fault('bad-arguments', `An importance is ${negative}; it cannot be negative.`, {
      data: { field: 'importances' },
    })
  const all = sizes.reduce((sum, size) => sum + size, 0)
  const kept = sizes.map((size) => (1 - max) * size)
  const left = () => (1 - global) * all - kept.reduce((sum, count) => sum + count, 0)
  const open = new Set(sizes.keys())
  while (left() > 1e-9 * all && open.size > 0) {
    const rest = left()
    const total = [...open].reduce((sum, index) => sum + (importances[index] ?? 0), 0)
    const room = [...open].reduce((sum, index) => sum + (sizes[index] ?? 0), 0)
    for (const index of [...open]) {
      const size = sizes[index] ?? 0
      const share = total > 0 ? (importances[index] ?? 0) / total : size / room
      kept[index] = Math.min(size, (kept[index] ?? 0) + share * rest)
      if (kept[index] === size) open.delete(index)
    }
  }
  return sizes.map((size, index) => Math.min(max, Math.max(0, 1 - (kept[index] ?? 0) / size)))
}
