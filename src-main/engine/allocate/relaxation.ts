import type { Fronts } from './hull.ts'

/** The linear relaxation at a budget. Loss saved per byte is `price` at the margin: every hull step that saves more is
 *  taken, none that saves less. */
export interface Relaxation {
  price: number
  at: Int32Array // [layers] vertex taken by each layer; together within the budget
  bytes: number
  loss: number
  bound: number // no choice within the budget has less loss
}

/** Greedy over hull steps by falling efficiency (Sinha & Zoltners 1979; Dyer 1984), by bisection on the price instead of
 *  a full sort. Expects the smallest options to fit. */
export function relax(fronts: Fronts, budgetBytes: number): Relaxation {
  const { layers, firstVertex, efficiency } = fronts
  const at = new Int32Array(layers)
  let [low, high] = priceRange(fronts)
  // Invariant: steps of efficiency > high fit, steps of efficiency > low do not (or low is below all).
  if (bytesAt(fronts, low) <= budgetBytes) high = low
  while (high > low) {
    const middle = middleOf(low, high)
    if (middle <= low || middle >= high) break
    if (bytesAt(fronts, middle) <= budgetBytes) high = middle
    else low = middle
  }
  takeAbove(fronts, high, at)
  const taken = totals(fronts, at)
  let { bytes, loss } = taken
  // Steps within (low, high]: of one efficiency up to rounding. The first that does not fit is the break step.
  let bound = loss
  let broken = false
  for (let i = 0; i < layers; i++) {
    for (let next = (at[i] ?? 0) + 1; next < (firstVertex[i + 1] ?? 0) && (efficiency[next] ?? 0) > low; next++) {
      const size = stepBytes(fronts, next)
      const gain = stepLoss(fronts, next)
      if (bytes + size > budgetBytes) {
        if (!broken) bound = loss - Math.min(gain, (budgetBytes - bytes) * high)
        broken = true
        break
      }
      if (broken) break
      at[i] = next
      bytes += size
      loss -= gain
      bound = loss
    }
  }
  return { price: broken ? high : 0, at, bytes, loss, bound: broken ? bound : loss }
}

/** A price between, halving the distance in exponents first: efficiencies span many orders of magnitude. */
function middleOf(low: number, high: number): number {
  if (low > 0 && high / low > 2) return Math.sqrt(low) * Math.sqrt(high)
  return low + (high - low) / 2
}

function priceRange({ layers, firstVertex, efficiency }: Fronts): [number, number] {
  let [least, most] = [Infinity, 0]
  for (let i = 0; i < layers; i++)
    for (let v = (firstVertex[i] ?? 0) + 1; v < (firstVertex[i + 1] ?? 0); v++) {
      least = Math.min(least, efficiency[v] ?? 0)
      most = Math.max(most, efficiency[v] ?? 0)
    }
  return most === 0 ? [0, 0] : [least * (1 - 2 ** -40), most]
}

function bytesAt({ layers, firstVertex, vertex, efficiency, bytes }: Fronts, price: number): number {
  let total = 0
  for (let i = 0; i < layers; i++) {
    let v = firstVertex[i] ?? 0
    const end = firstVertex[i + 1] ?? 0
    while (v + 1 < end && (efficiency[v + 1] ?? 0) > price) v++
    total += bytes[vertex[v] ?? 0] ?? 0
  }
  return total
}

function takeAbove({ layers, firstVertex, efficiency }: Fronts, price: number, at: Int32Array): void {
  for (let i = 0; i < layers; i++) {
    let v = firstVertex[i] ?? 0
    const end = firstVertex[i + 1] ?? 0
    while (v + 1 < end && (efficiency[v + 1] ?? 0) > price) v++
    at[i] = v
  }
}

export function totals({ vertex, bytes, loss }: Fronts, at: Int32Array): { bytes: number; loss: number } {
  let [size, value] = [0, 0]
  for (const v of at) {
    size += bytes[vertex[v] ?? 0] ?? 0
    value += loss[vertex[v] ?? 0] ?? 0
  }
  return { bytes: size, loss: value }
}

export const stepBytes = ({ vertex, bytes }: Fronts, v: number): number =>
  (bytes[vertex[v] ?? 0] ?? 0) - (bytes[vertex[v - 1] ?? 0] ?? 0)

export const stepLoss = ({ vertex, loss }: Fronts, v: number): number =>
  (loss[vertex[v - 1] ?? 0] ?? 0) - (loss[vertex[v] ?? 0] ?? 0)
