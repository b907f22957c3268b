// Attention in a graph, by the product of its weights with the values: which outputs of one linear layer are the channels
// of its values, and which inputs of another read them. Attention mixes tokens and leaves channels of a head apart, so
// whatever linear is done to them behind the one can be undone before the other.
import type { Node } from '../graph/ir.ts'
import { move, type Places } from './features.ts'
import type { Linear, Wiring } from './linears.ts'

export interface ValuePath {
  size: number // channels of a head
  keyHeads: number
  values: Linear // its outputs `rows` are the values' channels
  rows: Int32Array // [keyHeads * size]
  reader: Linear
  columns: Int32Array // [reader.inputs]: which channel of the values each input is; several heads may read one
}

export function findValuePaths(wiring: Wiring): ValuePath[] {
  return wiring.graph.nodes.flatMap((node) => {
    const found = node.op === 'MatMul' && isAttention(wiring, node) ? pathOf(wiring, node) : null
    return found ? [found] : []
  })
}

const passing = new Set(['Reshape', 'Transpose', 'Identity', 'Cast', 'Dropout', 'Gather', 'Split'])

/** Whether the left factor are weights of attention. */
function isAttention({ makers }: Wiring, product: Node): boolean {
  let node = makers.get(product.inputs[0] ?? '')
  while (node && /^(Reshape|Identity|Cast|Dropout)$/.test(node.op)) node = makers.get(node.inputs[0] ?? '')
  return node?.op === 'Softmax'
}

function pathOf(wiring: Wiring, product: Node): ValuePath | null {
  const made = makerOf(wiring, product.inputs[1] ?? '')
  if (!made) return null
  const { values, places } = made
  const [tokens = 1, size = 1] = places.dims.slice(-2)
  const before = places.dims.slice(0, -2)
  const keyHeads = before.reduce((all, count) => all * count, 1)
  // Tokens are alike: the first one's channels.
  const rows = new Int32Array(keyHeads * size)
  for (let head = 0; head < keyHeads; head++)
    rows.set(places.channels.subarray(head * tokens * size, head * tokens * size + size), head * size)
  const next = readerOf(wiring, product)
  if (!next) return null
  const { reader, nodes } = next
  const group = reader.inputs / rows.length
  if (!Number.isInteger(group)) return null
  const queries = tokens * group
  let at: Places | null = {
    dims: [...before, queries, size],
    channels: Int32Array.from(
      { length: keyHeads * queries * size },
      (_, i) => Math.floor(i / (queries * size)) * size + (i % size),
    ),
  }
  for (const node of nodes) at = at && move(wiring, node, at, node.outputs[0] ?? '')
  if (at?.dims.at(-1) !== reader.inputs) return null
  const columns = at.channels.slice(0, reader.inputs)
  const covered = new Set(rows).size === rows.length && new Set(columns).size === rows.length
  return covered ? { size, keyHeads, values, rows, reader, columns } : null
}

/** The linear layer behind a value, and where its channels stand in it. Nothing else reads what lies between, but for the
 *  parts of one layer that is cut. */
function makerOf(wiring: Wiring, value: string): { values: Linear; places: Places } | null {
  const nodes: { node: Node; output: string }[] = []
  let name = value
  let values: Linear | undefined
  let cut = false // in front of the last cut other parts may be read
  for (;;) {
    const node = wiring.makers.get(name)
    if (!node || wiring.outputs.has(name)) return null
    if (!cut && readersOf(wiring, name).length > 1) return null
    values = wiring.linears.get(node)
    if (values) break
    if (!passing.has(node.op)) return null
    if (node.op === 'Gather' || node.op === 'Split') cut = true
    nodes.unshift({ node, output: name })
    name = node.inputs[0] ?? ''
  }
  let places: Places | null = {
    dims: [values.outputs],
    channels: Int32Array.from({ length: values.outputs }, (_, i) => i),
  }
  for (const { node, output } of nodes) places = places && move(wiring, node, places, output)
  return places && places.dims.length >= 3 ? { values, places } : null
}

const readersOf = ({ readers }: Wiring, name: string) =>
  (readers.get(name) ?? []).filter(({ op }) => op !== 'Shape' && op !== 'Size')

function readerOf(wiring: Wiring, product: Node): { reader: Linear; nodes: Node[] } | null {
  const nodes: Node[] = []
  let [name = ''] = product.outputs
  for (;;) {
    const [next, ...others] = readersOf(wiring, name)
    if (!next || others.length > 0 || wiring.outputs.has(name)) return null
    const reader = wiring.linears.get(next)
    if (reader?.node === next && reader.input === name) return { reader, nodes }
    if (!/^(Reshape|Transpose|Identity|Cast|Dropout)$/.test(next.op) || next.inputs[0] !== name) return null
    nodes.push(next)
    name = next.outputs[0] ?? ''
  }
}

/** Runs of heads that stand one behind the other, as [begin, end); null where the channels of a head are not in order. */
export function headRuns(places: ArrayLike<number>, size: number): { begin: number; end: number }[] | null {
  const runs: { begin: number; end: number }[] = []
  for (let at = 0; at < places.length; at += size) {
    const begin = places[at] ?? 0
    for (let c = 1; c < size; c++) if (places[at + c] !== begin + c) return null
    const last = runs.at(-1)
    if (last?.end === begin) last.end += size
    else runs.push({ begin, end: begin + size })
  }
  return runs
}
