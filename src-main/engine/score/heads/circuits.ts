// The weights of each attention head: what it reads by queries, keys and values, and what it writes.
import type { Layer, Network } from '../../checkpoint/network.ts'
import { readFloat32, readMatrix } from '../../checkpoint/weights.ts'
import { findValuePaths, type ValuePath } from '../../prepare/attention.ts'
import { type Linear, type Wiring, wiringOf } from '../../prepare/linears.ts'
import { findNorms, type Norm } from '../../prepare/norms.ts'
import { follow } from '../../prepare/passing.ts'

export interface AttentionWeights {
  key: string // block, or place in the network
  size: number // channels of a head
  width: number // of the residual stream
  heads: number
  /** [size, width] each; by head. q and k are null where the network does not say which weights they are. */
  head(index: number): { o: Float32Array; v: Float32Array; q: Float32Array | null; k: Float32Array | null }
}

/** Attentions whose heads write into and read from one stream. Read when asked for. */
export function attentionWeights(network: Network): { width: number; attentions: (() => AttentionWeights)[] } {
  if (network.graph === null) return { width: 0, attentions: [] }
  const wiring = wiringOf(network.graph)
  const norms = new Map<Linear, Norm>()
  for (const norm of findNorms(wiring))
    for (const linear of follow(wiring, norm.output).linears) norms.set(linear, norm)
  const layers = new Map(network.layers.map((layer) => [layer.name, layer]))
  const paths = findValuePaths(wiring).filter(
    ({ values, reader }) => layers.has(values.weight) && layers.has(reader.weight) && values.inputs === reader.outputs,
  )
  const width = paths[0]?.values.inputs ?? 0
  const same = paths.filter(({ values }) => values.inputs === width)
  return {
    width,
    attentions: same.map((path, index) => () => weightsOf(network, { wiring, norms, layers }, path, index)),
  }
}

interface Known {
  wiring: Wiring
  norms: ReadonlyMap<Linear, Norm>
  layers: ReadonlyMap<string, Layer>
}

function weightsOf(network: Network, known: Known, path: ValuePath, index: number): AttentionWeights {
  const { size, values, reader, rows, columns } = path
  const { layers } = known
  const own = layers.get(values.weight)
  const width = values.inputs
  const heads = columns.length / size
  const read = reading(network, known)
  const v = read(values)
  const o = matrixOf(network, layers.get(reader.weight)) // [width, heads * size]
  const { q, k } = queriesAndKeys(network, known, path, v)
  const take = (matrix: Float32Array, places: (channel: number) => number) => {
    const out = new Float32Array(size * width)
    for (let c = 0; c < size; c++) out.set(matrix.subarray(places(c) * width, (places(c) + 1) * width), c * width)
    return out
  }
  return {
    key: `${own?.block ?? index}`,
    size,
    width,
    heads,
    head(head) {
      const written = new Float32Array(size * width)
      for (let c = 0; c < size; c++)
        for (let i = 0; i < width; i++) written[c * width + i] = o[i * columns.length + head * size + c] ?? 0
      const channel = (c: number) => columns[head * size + c] ?? 0
      const keyHead = Math.floor(channel(0) / size)
      return {
        o: written,
        v: take(v, (c) => rows[channel(c)] ?? 0),
        q: q && take(q.matrix, (c) => q.start(head) + c),
        k: k && take(k.matrix, (c) => k.start(keyHead) + c),
      }
    },
  }
}

interface Rows {
  matrix: Float32Array
  start: (head: number) => number
}

/** Layers of their own in the same block, or parts of the layer that the values come from. */
function queriesAndKeys(
  network: Network,
  known: Known,
  { size, values, rows, columns, keyHeads }: ValuePath,
  v: Float32Array,
): { q: Rows | null; k: Rows | null } {
  const own = known.layers.get(values.weight)
  const heads = columns.length / size
  const linears = [...known.wiring.linears.values()]
  const separate = (role: 'q' | 'k', count: number): Rows | null => {
    const layer = network.layers.find((one) => one.role === role && one.block === own?.block && one.block !== null)
    const linear = layer && linears.find(({ weight }) => weight === layer.name)
    if (!linear || linear.outputs !== count * size || linear.inputs !== values.inputs) return null
    return { matrix: reading(network, known)(linear), start: (head) => head * size }
  }
  if (values.outputs === rows.length) return { q: separate('q', heads), k: separate('k', keyHeads) }
  const [first = 0, second = rows[size] ?? 0] = [rows[0], rows[size]]
  if (first === (heads + keyHeads) * size)
    return { q: { matrix: v, start: (head) => head * size }, k: { matrix: v, start: (head) => (heads + head) * size } }
  const inTurn = first === 2 * size && (keyHeads === 1 || second === 5 * size)
  if (!inTurn || heads !== keyHeads) return { q: null, k: null }
  return {
    q: { matrix: v, start: (head) => 3 * head * size },
    k: { matrix: v, start: (head) => (3 * head + 1) * size },
  }
}

function matrixOf(network: Network, layer: Layer | undefined): Float32Array {
  return layer ? readMatrix(network, layer).data : new Float32Array()
}

/** A layer's weight as it reads the stream: with the gain of the normalisation before it, and centred behind a LayerNorm. */
function reading(network: Network, { norms, layers }: Known): (linear: Linear) => Float32Array {
  return (linear) => {
    const matrix = matrixOf(network, layers.get(linear.weight)).slice()
    const norm = norms.get(linear)
    const width = linear.inputs
    const gain =
      norm?.gain && network.source.tensors.has(norm.gain.tensor) ? readFloat32(network, norm.gain.tensor) : null
    const plus = norm?.gain?.plus ?? 0
    if (gain?.length === width)
      for (let i = 0; i < matrix.length; i++) matrix[i] = (matrix[i] as number) * ((gain[i % width] ?? 1) + plus)
    if (norm?.kind === 'layer')
      for (let at = 0; at < matrix.length; at += width) {
        const row = matrix.subarray(at, at + width)
        const mean = row.reduce((sum, value) => sum + value, 0) / width
        for (let i = 0; i < width; i++) row[i] = (row[i] as number) - mean
      }
    return matrix
  }
}
