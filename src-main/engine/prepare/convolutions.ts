// Seams behind linear layers and convolutions through operators with f(a x) = a f(x) for every a > 0, channel by channel.
import { attributeInt, type Node } from '../graph/ir.ts'
import { type Linear, isVector, type Wiring } from './linears.ts'
import { inputsOf, outputsOf, type Seam, side, type Side } from './seams.ts'

const homogeneous = new Set(
  'Relu LeakyRelu MaxPool AveragePool GlobalAveragePool GlobalMaxPool Identity Dropout Flatten Squeeze'.split(' '),
)

/** Something with an output channel for each of its rows. */
interface Maker {
  channels: number
  output: string
  writers: Side[]
  image: boolean
}

export function findConvolutionSeams(wiring: Wiring): Seam[] {
  const makers: Maker[] = [
    ...wiring.graph.nodes.flatMap((node) => convolution(wiring, node) ?? []),
    ...[...new Set(wiring.linears.values())].map((linear: Linear): Maker => ({
      channels: linear.outputs,
      output: linear.output,
      writers: outputsOf(wiring, linear),
      image: false,
    })),
  ]
  return makers.flatMap((maker) => {
    const found = readersOf(wiring, maker)
    const [first] = found?.sides ?? []
    if (!found || !first) return []
    const { channels, writers } = maker
    const axis = found.image ? ('image' as const) : ('last' as const)
    return [{ kind: 'plain' as const, name: `${first.tensor}/plain`, value: found.value, axis, channels, writers, readers: found.sides, places: null, norm: null }] // prettier-ignore
  })
}

function convolution({ graph }: Wiring, node: Node): Maker | null {
  const [, weight = '', bias = ''] = node.inputs
  const shape = graph.initializers.get(weight)?.shape
  if (node.op !== 'Conv' || node.domain !== '' || !shape) return null
  const channels = shape[0] ?? 0
  if (bias !== '' && !isVector(graph, bias, channels)) return null
  const writers = [side(weight, 0), ...(bias === '' ? [] : [side(bias, 0)])]
  return { channels, output: node.outputs[0] ?? '', writers, image: true }
}

/** Everything that reads a maker's channels; null where something does that is neither a layer nor homogeneous. */
function readersOf(wiring: Wiring, maker: Maker): { sides: Side[]; value: string; image: boolean } | null {
  const { graph, readers, outputs, linears } = wiring
  const sides: Side[] = []
  let value = ''
  let ends: boolean | null = null // whether the readers are convolutions
  let crossed = false
  const open = [{ name: maker.output, image: maker.image }]
  for (let at = open.pop(); at; at = open.pop()) {
    const { name, image } = at
    if (outputs.has(name)) return null
    for (const node of readers.get(name) ?? []) {
      const linear = linears.get(node)
      const weight = node.op === 'Conv' && node.inputs[0] === name ? graph.initializers.get(node.inputs[1] ?? '') : null
      if (node.op === 'Shape') continue
      if (linear?.node === node && linear.input === name && !image && linear.inputs === maker.channels) {
        sides.push(inputsOf(linear))
      } else if (weight && image) {
        const group = attributeInt(node, 'group', 1)
        const [outs = 0, ins = 0] = weight.shape
        // One filter or more for each channel; other groupings have no axis of channels.
        if (group === 1 && ins === maker.channels) sides.push(side(weight.name, 1))
        else if (group === maker.channels && ins === 1)
          sides.push(
            side(
              weight.name,
              0,
              Int32Array.from({ length: outs }, (_, i) => Math.floor((i * group) / outs)),
            ),
          )
        else return null
      } else if (homogeneous.has(node.op) && node.inputs[0] === name) {
        crossed = true
        const flat = node.op === 'Flatten' || node.op === 'Squeeze'
        open.push({ name: node.outputs[0] ?? '', image: image && !flat })
        continue
      } else return null
      if (ends !== null && ends !== image) return null
      ends = image
      value = name
    }
  }
  // Two linear layers in a row without anything between them are no seam of a network worth having.
  return sides.length > 0 && crossed ? { sides, value, image: ends === true } : null
}
