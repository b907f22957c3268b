import type { Follow, Walk } from '../../../src-preload/contract/follow.ts'
import { type Budget, type LayerPlan, rankShareOf, sparsityOf } from '../../../src-preload/contract/plan.ts'
import type { LivePlan } from '../../stores/plan.ts'
import type { LayerOptions } from '../../stores/project.ts'

type Option = LayerOptions['options'][number]

/** Answers a moving hand at once: from the walk along the relaxed choice, without asking Lathe. What it shows fits the budget
 *  and loses at most one step's loss more than the exact plan that replaces it when the hand rests. */
export interface Follower {
  /** Bytes that a budget comes to; null for budgets that only Lathe can tell. */
  bytesOf(budget: Budget): number | null
  /** The plan within so many bytes; the smallest one where not even that fits. */
  at(budgetBytes: number): LivePlan
}

interface Path extends Walk {
  total: Float64Array // [steps + 1] bytes of the file
  summed: Float64Array // [steps + 1] losses
  options: (Option | undefined)[][] // [layers][ids]
  parameters: number[] // [layers]
  weights: number
  locked: boolean[] // [layers]
}

export function createFollower(
  follow: Follow,
  options: ReadonlyMap<string, readonly Option[]>,
  parametersOf: (layer: string) => number,
  locked: Readonly<Record<string, string>>,
): Follower {
  const paths = follow.walks.map((walk) => pathOf(walk, follow.ids, options, parametersOf, locked))
  return {
    bytesOf: (budget) => bytesOf(follow, paths, budget),
    at(budgetBytes) {
      let best: { path: Path; end: End } | null = null
      for (const path of paths) {
        const end = within(path, budgetBytes)
        if (end && (best === null || end.loss < best.end.loss)) best = { path, end }
      }
      if (best === null) {
        const path = paths.reduce((least, each) => ((each.total[0] ?? 0) < (least.total[0] ?? 0) ? each : least))
        best = { path, end: { steps: 0, more: [], bytes: path.total[0] ?? 0, loss: path.summed[0] ?? 0 } }
      }
      return planOf(follow, best.path, best.end, budgetBytes)
    },
  }
}

function pathOf(
  walk: Walk,
  ids: readonly string[],
  options: ReadonlyMap<string, readonly Option[]>,
  parametersOf: (layer: string) => number,
  locked: Readonly<Record<string, string>>,
): Path {
  const steps = walk.group.length
  const total = new Float64Array(steps + 1).fill(walk.baseBytes + walk.startBytes, 0, 1)
  const summed = new Float64Array(steps + 1).fill(walk.baseLoss + walk.startLoss, 0, 1)
  for (let step = 0; step < steps; step += 1) {
    total[step + 1] = (total[step] ?? 0) + (walk.bytes[step] ?? 0)
    summed[step + 1] = (summed[step] ?? 0) + (walk.loss[step] ?? 0)
  }
  const index = new Map(ids.map((id, i) => [id, i]))
  const parameters = walk.layers.map(parametersOf)
  return {
    ...walk,
    ...{ total, summed, parameters, weights: parameters.reduce((a, b) => a + b, 0) },
    locked: walk.layers.map((name) => name in locked),
    options: walk.layers.map((name) => {
      const row = new Array<Option | undefined>(ids.length)
      for (const option of options.get(name) ?? []) {
        const at = index.get(option.id)
        if (at !== undefined) row[at] = option
      }
      return row
    }),
  }
}

interface End {
  steps: number // taken in order
  more: number[] // taken beyond, to use up what is left
  bytes: number
  loss: number
}

/** All steps in order while they fit; then what is left is filled with later ones that still do. */
function within(path: Path, budgetBytes: number): End | null {
  const { total, summed, group, bytes, loss } = path
  if ((total[0] ?? 0) > budgetBytes) return null
  let [low, high] = [0, total.length - 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((total[middle] ?? 0) <= budgetBytes) low = middle
    else high = middle - 1
  }
  const end: End = { steps: low, more: [], bytes: total[low] ?? 0, loss: summed[low] ?? 0 }
  const passed = new Set<number>()
  for (let step = low; step < group.length; step += 1) {
    const g = group[step] ?? 0
    if (passed.has(g)) continue
    const size = bytes[step] ?? 0
    if (end.bytes + size > budgetBytes) passed.add(g)
    else {
      end.more.push(step)
      end.bytes += size
      end.loss += loss[step] ?? 0
    }
  }
  return end
}

function planOf(follow: Follow, path: Path, end: End, budgetBytes: number): LivePlan {
  const chosen = [...path.start]
  const losses = [...path.startLosses]
  const take = (step: number): void => {
    const g = path.group[step] ?? 0
    losses[g] = (losses[g] ?? 0) + (path.loss[step] ?? 0)
    for (const layer of path.groups[g] ?? []) chosen[layer] = path.option[step] ?? 0
  }
  for (let step = 0; step < end.steps; step += 1) take(step)
  for (const step of end.more) take(step)
  const share = new Float64Array(path.layers.length)
  path.groups.forEach((members, g) => {
    for (const layer of members) share[layer] = (losses[g] ?? 0) / members.length
  })

  const predicted = predict(follow.predict, end.loss)
  const factor = end.loss > 0 ? predicted.loss / end.loss : 0
  let [bits, zeros, ranks, layerBytes] = [0, 0, 0, 0]
  const layers = path.layers.map((name, i): LayerPlan => {
    const id = chosen[i] ?? 0
    const option = path.options[i]?.[id]
    const parameters = path.parameters[i] ?? 0
    bits += (option?.bits ?? 0) * parameters
    zeros += (option ? sparsityOf(option) : 0) * parameters
    ranks += (option ? rankShareOf(option) : 1) * parameters
    layerBytes += option?.bytes ?? 0
    return {
      ...{ name, option: follow.ids[id] ?? '', bits: option?.bits ?? 0, bytes: option?.bytes ?? 0 },
      ...{ loss: (share[i] ?? 0) * factor, locked: path.locked[i] ?? false },
    }
  })
  const of = (sum: number, empty: number): number => (path.weights > 0 ? sum / path.weights : empty)
  return {
    predicted: {
      bytes: end.bytes,
      averageBits: of(bits, 0),
      bitsPerWeight: of(8 * layerBytes, 0),
      sparsity: of(zeros, 0),
      rankShare: of(ranks, 1),
      seconds: null,
      loss: predicted.loss,
      lossLow: predicted.low,
      lossHigh: predicted.high,
      source: follow.source,
    },
    budgetBytes,
    budget: '',
    removed: path.removed,
    allocator: 'relaxed',
    optimal: false,
    layers,
    recipe: null,
  }
}

/** Between two points on a straight line of logarithms; outside, in proportion to the nearest. */
export function predict(points: Follow['predict'], sum: number): { loss: number; low: number; high: number } {
  const [first, last] = [points[0], points.at(-1)]
  if (!first || !last || !(sum > 0)) return { loss: 0, low: 0, high: 0 }
  const above = points.findIndex((point) => point.sum >= sum)
  if (above <= 0) {
    const near = above < 0 ? last : first
    const ratio = sum / near.sum
    return { loss: near.loss * ratio, low: near.low * ratio, high: near.high * ratio }
  }
  const [a = first, b = last] = [points[above - 1], points[above]]
  const at = b.sum === a.sum ? 1 : Math.log(sum / a.sum) / Math.log(b.sum / a.sum)
  const mix = (x: number, y: number): number => (x > 0 && y > 0 ? x * (y / x) ** at : x + (y - x) * at)
  return { loss: mix(a.loss, b.loss), low: mix(a.low, b.low), high: mix(a.high, b.high) }
}

function bytesOf(follow: Follow, paths: readonly Path[], budget: Budget): number | null {
  if ('bytes' in budget) return budget.bytes
  if ('bits' in budget) return bytesAtBits(follow, budget.bits)
  if (!('loss' in budget)) return null
  let least = Infinity
  for (const { summed, total } of paths) {
    const step = summed.findIndex((sum) => predict(follow.predict, sum).loss <= budget.loss)
    if (step >= 0) least = Math.min(least, total[step] ?? Infinity)
  }
  return Number.isFinite(least) ? least : null
}

/** Bytes of the file at `bits` for all layers; between two widths, the straight line between theirs. */
export function bytesAtBits({ scale, baseBytes }: Pick<Follow, 'scale' | 'baseBytes'>, bits: number): number | null {
  const [lowest, highest] = [scale[0], scale.at(-1)]
  if (!lowest || !highest) return null
  if (bits <= lowest.bits) return baseBytes + ((lowest.bytes - baseBytes) * bits) / lowest.bits
  const above = scale.findIndex((width) => width.bits >= bits)
  const [a = highest, b = highest] = above < 0 ? [] : [scale[above - 1], scale[above]]
  return a.bits === b.bits ? b.bytes : a.bytes + ((b.bytes - a.bytes) * (bits - a.bits)) / (b.bits - a.bits)
}

/** The width whose file is so large: the other way round. */
export function bitsAtBytes({ scale, baseBytes }: Pick<Follow, 'scale' | 'baseBytes'>, bytes: number): number {
  const [lowest, highest] = [scale[0], scale.at(-1)]
  if (!lowest || !highest) return 0
  if (bytes <= lowest.bytes) return (lowest.bits * Math.max(0, bytes - baseBytes)) / (lowest.bytes - baseBytes || 1)
  const above = scale.findIndex((width) => width.bytes >= bytes)
  const [a = highest, b = highest] = above < 0 ? [] : [scale[above - 1], scale[above]]
  return a.bytes === b.bytes ? b.bits : a.bits + ((b.bits - a.bits) * (bytes - a.bytes)) / (b.bytes - a.bytes)
}
