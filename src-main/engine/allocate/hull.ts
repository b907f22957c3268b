import type { Choices } from './define.ts'

/** All layers' options without the dominated ones, bytes rising and loss falling, and the lower convex hull of each.
 *  Expects checked layers (limits.ts). With bytes and loss exchanged it serves the search for the fewest bytes.
 *  Sinha & Zoltners 1979, "The multiple-choice knapsack problem", sections 2 and 3. */
export interface Fronts {
  layers: number
  first: Int32Array // [layers + 1] options of layer i are first[i] .. first[i + 1] - 1
  bytes: Float64Array
  loss: Float64Array
  original: Int32Array // index in the caller's options
  firstVertex: Int32Array // [layers + 1] hull vertices of layer i
  vertex: Int32Array // option of each vertex
  /** Loss saved per byte when going from the vertex before to this one; falling within a layer. Infinity for the first. */
  efficiency: Float64Array
}

export function frontsOf(layers: readonly Choices[]): Fronts {
  const total = layers.reduce((sum, { bytes }) => sum + bytes.length, 0)
  const fronts: Fronts = {
    layers: layers.length,
    first: new Int32Array(layers.length + 1),
    bytes: new Float64Array(total),
    loss: new Float64Array(total),
    original: new Int32Array(total),
    firstVertex: new Int32Array(layers.length + 1),
    vertex: new Int32Array(total),
    efficiency: new Float64Array(total),
  }
  let [options, vertices] = [0, 0]
  layers.forEach((layer, i) => {
    options = addFront(fronts, layer, options)
    fronts.first[i + 1] = options
    vertices = addHull(fronts, fronts.first[i] ?? 0, options, vertices)
    fronts.firstVertex[i + 1] = vertices
  })
  return fronts
}

function addFront(fronts: Fronts, layer: Choices, begin: number): number {
  const { bytes, loss, original } = fronts
  const count = layer.bytes.length
  for (let option = 0; option < count; option++) {
    const size = layer.bytes[option] ?? 0
    const value = layer.loss[option] ?? 0
    let at = begin + option // insertion sort: a dozen options
    while (at > begin && before(size, value, bytes[at - 1] ?? 0, loss[at - 1] ?? 0)) {
      bytes[at] = bytes[at - 1] ?? 0
      loss[at] = loss[at - 1] ?? 0
      original[at] = original[at - 1] ?? 0
      at--
    }
    bytes[at] = size
    loss[at] = value
    original[at] = option
  }
  let end = begin + 1
  for (let at = begin + 1; at < begin + count; at++) {
    if ((loss[at] ?? 0) >= (loss[end - 1] ?? 0)) continue
    bytes[end] = bytes[at] ?? 0
    loss[end] = loss[at] ?? 0
    original[end] = original[at] ?? 0
    end++
  }
  return end
}

const before = (bytes: number, loss: number, otherBytes: number, otherLoss: number) =>
  bytes < otherBytes || (bytes === otherBytes && loss < otherLoss)

function addHull(fronts: Fronts, begin: number, end: number, firstVertex: number): number {
  const { bytes, loss, vertex, efficiency } = fronts
  let top = firstVertex
  for (let at = begin; at < end; at++) {
    let gain = Infinity
    while (top > firstVertex) {
      const last = vertex[top - 1] ?? 0
      gain = ((loss[last] ?? 0) - (loss[at] ?? 0)) / ((bytes[at] ?? 0) - (bytes[last] ?? 0))
      if (gain < (efficiency[top - 1] ?? 0)) break
      top--
      gain = Infinity
    }
    vertex[top] = at
    efficiency[top] = gain
    top++
  }
  return top
}
