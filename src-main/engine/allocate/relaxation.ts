import type { Fronts } from './hull.ts'

/** All hull steps of all layers by falling efficiency, and what the choice comes to after each: everything about the
 *  linear relaxation that does not depend on the budget. */
export interface Steps {
  vertex: Int32Array // [steps] that the step goes to
  layer: Int32Array // [steps]
  bytes: Float64Array // [steps + 1] of the whole choice before step k; rising
  loss: Float64Array // [steps + 1]; falling
}

export function stepsOf({ layers, first, firstVertex, vertex, efficiency, bytes, loss }: Fronts): Steps {
  const count = (firstVertex[layers] ?? 0) - layers
  const taken = new Int32Array(count)
  const layerOf = new Int32Array(vertex.length)
  let [size, value, k] = [0, 0, 0]
  for (let i = 0; i < layers; i++) {
    size += bytes[first[i] ?? 0] ?? 0
    value += loss[vertex[(firstVertex[i + 1] ?? 0) - 1] ?? 0] ?? 0
    for (let v = (firstVertex[i] ?? 0) + 1; v < (firstVertex[i + 1] ?? 0); v++) {
      layerOf[v] = i
      taken[k++] = v
    }
  }
  taken.sort((a, b) => (efficiency[b] ?? 0) - (efficiency[a] ?? 0) || a - b)
  const steps: Steps = {
    vertex: taken,
    layer: taken.map((v) => layerOf[v] ?? 0),
    bytes: new Float64Array(count + 1).fill(size, 0, 1),
    loss: new Float64Array(count + 1).fill(value, count),
  }
  const step = (values: Float64Array, at: number) =>
    (values[vertex[taken[at] ?? 0] ?? 0] ?? 0) - (values[vertex[(taken[at] ?? 0) - 1] ?? 0] ?? 0)
  for (k = 0; k < count; k++) steps.bytes[k + 1] = size += step(bytes, k)
  // From the end, where losses are small: what is left of the large ones after subtracting would be rounding.
  for (k = count - 1; k >= 0; k--) steps.loss[k] = value -= step(loss, k)
  return steps
}

/** The linear relaxation at a budget. Loss saved per byte is `price` at the margin: every hull step that saves more is
 *  taken, none that saves less. */
export interface Relaxation {
  price: number // 0 where everything fits
  at: Int32Array // [layers] vertex taken by each layer; together within the budget
  bytes: number
  loss: number
  bound: number // no choice within the budget has less loss
}

/** Steps that fit when taken in order; the next one, if any, is the break step. */
export function stepsWithin({ bytes }: Steps, budget: number): number {
  let [low, high] = [0, bytes.length - 1] // bytes[low] fits, of those after high none does
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((bytes[middle] ?? 0) <= budget) low = middle
    else high = middle - 1
  }
  return low
}

/** What `relax` bounds the loss by, without the choice. */
export function lowerBound(fronts: Fronts, steps: Steps, budget: number): number {
  const taken = stepsWithin(steps, budget)
  const price = fronts.efficiency[steps.vertex[taken] ?? -1] ?? 0
  return (steps.loss[taken] ?? 0) - (price === 0 ? 0 : price * (budget - (steps.bytes[taken] ?? 0)))
}

/** Greedy over hull steps by falling efficiency (Sinha & Zoltners 1979; Dyer 1984). Expects the smallest options to fit. */
export function relax(fronts: Fronts, steps: Steps, budget: number): Relaxation {
  const at = fronts.firstVertex.slice(0, fronts.layers)
  const taken = stepsWithin(steps, budget)
  for (let k = 0; k < taken; k++) at[steps.layer[k] ?? 0] = steps.vertex[k] ?? 0
  return {
    price: fronts.efficiency[steps.vertex[taken] ?? -1] ?? 0,
    at,
    bytes: steps.bytes[taken] ?? 0,
    loss: steps.loss[taken] ?? 0,
    bound: lowerBound(fronts, steps, budget),
  }
}
