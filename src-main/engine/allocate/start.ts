import type { Fronts } from './hull.ts'
import type { Relaxation } from './relaxation.ts'

/** A complete choice to measure others against. */
export interface Start {
  loss: number // relative to the relaxed choice, <= 0
  chosen: Map<number, number> // layer -> option, where it differs from the relaxation
}

interface Moves {
  layer: Int32Array
  option: Int32Array
  bytes: Float64Array
  loss: Float64Array
}

const MOST_MOVES = 1 << 14 // sorted in a millisecond or two

/** The best change of at most two layers that fits the slack. The nearer it comes to the linear bound, the fewer layers,
 *  options and states the dynamic program has to look at: two moves fill the slack far better than one. */
export function bestStart(fronts: Fronts, relaxed: Relaxation, slack: number): Start {
  const single = bestMove(fronts, relaxed, slack)
  const room = single.loss + relaxed.price * slack
  const moves = movesWithin(fronts, relaxed, room)
  if (moves === null) return single
  return bestPair(moves, slack, single) ?? single
}

function bestMove({ layers, first, vertex, bytes, loss }: Fronts, { at }: Relaxation, slack: number): Start {
  let [best, bestLayer, bestOption] = [0, -1, -1]
  for (let layer = 0; layer < layers; layer++) {
    const current = vertex[at[layer] ?? 0] ?? 0
    for (let option = current + 1; option < (first[layer + 1] ?? 0); option++) {
      if ((bytes[option] ?? 0) - (bytes[current] ?? 0) > slack) break
      const change = (loss[option] ?? 0) - (loss[current] ?? 0)
      if (change < best) [best, bestLayer, bestOption] = [change, layer, option]
    }
  }
  return { loss: best, chosen: bestLayer < 0 ? new Map() : new Map([[bestLayer, bestOption]]) }
}

/** All moves whose reduced cost leaves room for an improvement, by rising bytes; null where there are too many to sort. */
function movesWithin(fronts: Fronts, { price, at }: Relaxation, room: number): Moves | null {
  const { layers, first, vertex, bytes, loss } = fronts
  const found: { layer: number; option: number; bytes: number; loss: number }[] = []
  for (let layer = 0; layer < layers; layer++) {
    const current = vertex[at[layer] ?? 0] ?? 0
    const [size, value] = [bytes[current] ?? 0, loss[current] ?? 0]
    for (let option = first[layer] ?? 0; option < (first[layer + 1] ?? 0); option++) {
      const [moreBytes, moreLoss] = [(bytes[option] ?? 0) - size, (loss[option] ?? 0) - value]
      if (option === current || !(moreLoss + price * moreBytes < room)) continue
      if (found.length === MOST_MOVES) return null
      found.push({ layer, option, bytes: moreBytes, loss: moreLoss })
    }
  }
  found.sort((a, b) => a.bytes - b.bytes || a.loss - b.loss || a.layer - b.layer)
  return {
    layer: Int32Array.from(found, (move) => move.layer),
    option: Int32Array.from(found, (move) => move.option),
    bytes: Float64Array.from(found, (move) => move.bytes),
    loss: Float64Array.from(found, (move) => move.loss),
  }
}

/** Two pointers: as the larger move shrinks, more smaller ones fit beside it. Of these the least loss counts, and the least
 *  of another layer, since a layer moves once. */
function bestPair({ layer, option, bytes, loss }: Moves, slack: number, { loss: limit }: Start): Start | null {
  let [best, one, two] = [limit, -1, -1]
  let [least, second, next] = [-1, -1, 0] // moves among the first `next`
  for (let i = bytes.length - 1; i >= 0; i--) {
    for (; next < bytes.length && (bytes[next] ?? 0) + (bytes[i] ?? 0) <= slack; next++) {
      const value = loss[next] ?? 0
      if (least < 0 || value < (loss[least] ?? 0)) {
        if (layer[least] !== layer[next]) second = least
        least = next
      } else if (layer[next] !== layer[least] && (second < 0 || value < (loss[second] ?? 0))) second = next
    }
    const partner = layer[least] === layer[i] ? second : least
    if (partner < 0 || !((loss[i] ?? 0) + (loss[partner] ?? 0) < best)) continue
    ;[best, one, two] = [(loss[i] ?? 0) + (loss[partner] ?? 0), i, partner]
  }
  if (one < 0) return null
  const chosen = new Map([one, two].map((move) => [layer[move] ?? 0, option[move] ?? 0]))
  return { loss: best, chosen }
}
