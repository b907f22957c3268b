// Where a factor for each channel can be moved from one weight to the next without a change of the function:
//   norm     gain (and shift) of a normalisation -> the linear layers that read it
//   values   v -> o through attention, which mixes tokens and no channels (one factor for all heads that share a value)
//   gated    up -> down through act(gate(x)) * up(x)
//   plain    linear layer or convolution -> the next, through operators with f(a x) = a f(x) for a > 0 (ReLU, pooling)
// Xiao et al. 2022, "SmoothQuant", section 4; Lin et al. 2023, "AWQ", section 3.2; Nagel et al. 2019, "Data-Free Quantization
// Through Weight Equalization and Bias Correction", section 4.1.
import type { Graph, Node } from '../graph/ir.ts'
import { findValuePaths } from './attention.ts'
import { findConvolutionSeams } from './convolutions.ts'
import { move, type Places } from './features.ts'
import { type Linear, type Wiring, wiringOf } from './linears.ts'
import { findNorms, type Norm } from './norms.ts'
import { follow } from './passing.ts'

/** Entries along one axis of a tensor that belong to channels of a seam. */
export interface Side {
  tensor: string
  axis: number
  plus: number // what is added to the tensor before it is used (Gemma's gains)
  /** Channel of each entry along the axis, -1 for none; null: one for one. */
  channels: Int32Array | null
}

export interface Seam {
  kind: 'norm' | 'values' | 'gated' | 'plain' | 'keys'
  name: string // unique: the first weight that reads it, and the kind
  value: string // graph value that the readers multiply
  axis: 'last' | 'image' // of the channels: the last one, or the second of [batch, channels, ...]
  channels: number
  writers: Side[] // entries are divided by the factors
  readers: Side[] // entries are multiplied
  /** Which channel each channel of `value` is, -1 for none; null: one for one. */
  places: Int32Array | null
  norm: Norm | null // that makes the value
}

export const side = (tensor: string, axis: number, channels: Int32Array | null = null, plus = 0): Side => ({
  ...{ tensor, axis, channels, plus },
})

export function findSeams(graph: Graph): Seam[] {
  const wiring = wiringOf(graph)
  return [
    ...findNorms(wiring).flatMap((norm) => normSeam(wiring, norm) ?? []),
    ...valueSeams(wiring),
    ...[...new Set(wiring.linears.values())].flatMap((linear) => gatedSeam(wiring, linear) ?? []),
    ...findConvolutionSeams(wiring),
  ].filter((seam) => usedOnce(wiring, seam))
}

/** The tensors of a seam have no other use that the factors would change. */
export function usedOnce({ uses, graph }: Wiring, { readers, writers }: Seam): boolean {
  return [...readers, ...writers].every(({ tensor, axis }) => {
    const nodes = new Set(uses.of(tensor).map(({ node }) => node))
    return nodes.size === 1 && graph.initializers.get(tensor)?.shape[axis] !== undefined
  })
}

const lastAxis = ({ graph }: Wiring, tensor: string) => (graph.initializers.get(tensor)?.shape.length ?? 1) - 1

/** Sides of a linear layer: its outputs with the bias, its inputs. */
export const outputsOf = (
  wiring: Wiring,
  { weight, rows, bias }: Linear,
  channels: Int32Array | null = null,
): Side[] => [side(weight, rows, channels), ...(bias === null ? [] : [side(bias, lastAxis(wiring, bias), channels)])]
export const inputsOf = ({ weight, rows }: Linear, channels: Int32Array | null = null): Side =>
  side(weight, 1 - rows, channels)

function normSeam(wiring: Wiring, norm: Norm): Seam | null {
  const { linears, others, outputs } = follow(wiring, norm.output)
  const [first] = linears
  if (!norm.gain || !first || others.length > 0 || outputs.length > 0) return null
  const channels = norm.size ?? 0
  if (linears.some(({ inputs }) => inputs !== channels)) return null
  const writers = [side(norm.gain.tensor, lastAxis(wiring, norm.gain.tensor), null, norm.gain.plus)]
  if (norm.shift !== null) writers.push(side(norm.shift, lastAxis(wiring, norm.shift)))
  const readers = [...new Map(linears.map((each) => [each.weight, inputsOf(each)])).values()]
  return { kind: 'norm', name: `${first.weight}/norm`, value: norm.output, axis: 'last', channels, writers, readers, places: null, norm } // prettier-ignore
}

function valueSeams(wiring: Wiring): Seam[] {
  return findValuePaths(wiring).map(({ size, keyHeads, values, rows, reader, columns }): Seam => {
    const channels = keyHeads * size
    const made = new Int32Array(values.outputs).fill(-1)
    rows.forEach((row, channel) => (made[row] = channel))
    return {
      kind: 'values',
      name: `${reader.weight}/values`,
      value: reader.input,
      axis: 'last',
      channels,
      writers: outputsOf(wiring, values, made),
      readers: [inputsOf(reader, columns)],
      places: columns,
      norm: null,
    }
  })
}

/** A layer that reads a product, one factor of which is another layer's result. */
function gatedSeam(wiring: Wiring, reader: Linear): Seam | null {
  const node = wiring.makers.get(reader.input)
  if (node?.op !== 'Mul' || soleReader(wiring, reader.input) !== reader.node) return null
  for (const name of [...node.inputs].reverse()) {
    const made = plainSource(wiring, name)
    if (made?.places.channels.length !== reader.inputs) continue
    const from = new Int32Array(made.linear.outputs).fill(-1)
    made.places.channels.forEach((row, channel) => (from[row] = channel))
    return {
      kind: 'gated',
      name: `${reader.weight}/gated`,
      value: reader.input,
      axis: 'last',
      channels: reader.inputs,
      writers: outputsOf(wiring, made.linear, from),
      readers: [inputsOf(reader)],
      places: null,
      norm: null,
    }
  }
  return null
}

function soleReader({ readers, outputs }: Wiring, value: string): Node | null {
  const found = (readers.get(value) ?? []).filter(({ op }) => op !== 'Shape')
  return found.length === 1 && !outputs.has(value) ? (found[0] ?? null) : null
}

/** The linear layer that a value is, or is a part of. */
function plainSource(wiring: Wiring, value: string): { linear: Linear; places: Places } | null {
  const cuts: { node: Node; output: string }[] = []
  let name = value
  for (;;) {
    const node = wiring.makers.get(name)
    if (!node || (cuts.length === 0 && !soleReader(wiring, name))) return null
    const linear = wiring.linears.get(node)
    if (linear) {
      let places: Places | null = {
        dims: [linear.outputs],
        channels: Int32Array.from({ length: linear.outputs }, (_, i) => i),
      }
      for (const cut of cuts) places = places && move(wiring, cut.node, places, cut.output)
      return places && { linear, places }
    }
    if (node.op !== 'Split' && node.op !== 'Identity') return null
    cuts.unshift({ node, output: name })
    name = node.inputs[0] ?? ''
  }
}
