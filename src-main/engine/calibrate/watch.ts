// The graph with what is needed of some layers' inputs as outputs of its own.
import { float32Tensor, int64Tensor } from '../graph/constants.ts'
import { type Attribute, type Graph, int, ints, type Node, node } from '../graph/ir.ts'
import { allNames, freshName } from '../graph/scope.ts'
import type { LayerInput } from './inputs.ts'

/** One input to look at; layers that share it share it here. */
export interface Watched {
  key: string
  layers: string[]
  groups: number
  size: number
  kind: 'rows' | 'grams'
  output: string // rows: float32 [..., size]. grams: sums of x x^T, [groups, size, size]
  count: string | null // grams: places of all samples times weights of a row, idle samples included
  picked: string | null // rows: see LayerInput
}

/** Graph input [batch, 1, 1 ...]: 1 for a sample, 0 for an idle row of a fixed batch. Needed where images are unfolded. */
export const sampleMask = 'calibrate.samples'

/** Adds nodes behind the inputs of `inputs`. A convolution's are unfolded by a convolution whose kernel copies each place,
 *  with the strides, pads and dilations of the layer's own, and summed up there: they would be many times the image. */
export function watch(graph: Graph, inputs: readonly LayerInput[]): { graph: Graph; watched: Watched[] } {
  const taken = allNames(graph)
  const initializers = new Map(graph.initializers)
  const values = new Map(graph.values)
  const nodes: Node[] = []
  const step = (op: string, from: string[], attributes: Record<string, Attribute> = {}) => {
    const output = freshName(taken, `calibrate.${op}.${nodes.length}`)
    nodes.push(node(op, from, [output], attributes))
    return output
  }
  const whole = (list: number[]) => {
    const name = freshName(taken, `calibrate.shape.${list.join('x')}`)
    initializers.set(name, int64Tensor(name, list))
    return name
  }
  let masked = 0

  function unfold(
    { node: user, layer, groups, size, rank }: LayerInput,
    plain: string,
  ): { sums: string; count: string } {
    const kernel = layer.shape.slice(2)
    const places = kernel.reduce((product, length) => product * length, 1)
    const channels = (size / places) * groups
    const name = freshName(taken, 'calibrate.kernel')
    initializers.set(name, float32Tensor(name, copies(channels, places), [channels * places, 1, ...kernel]))
    const mask = step('Reshape', [sampleMask, whole([-1, ...Array<number>(rank - 1).fill(1)])])
    const attributes = Object.fromEntries(
      [...user.attributes].filter(([key]) => /^(auto_pad|dilations|kernel_shape|pads|strides)$/.test(key)),
    )
    const image = step('Mul', [plain, mask])
    const unfolded = step('Conv', [image, name], { ...attributes, group: int(channels) }) // [n, channels * places, ...]
    const grouped = step('Reshape', [unfolded, whole([0, groups, size, -1])])
    const turned = step('Transpose', [grouped], { perm: ints([1, 2, 0, 3]) }) // [groups, size, n, outputs]
    const columns = step('Reshape', [turned, whole([groups, size, -1])])
    const rows = step('Transpose', [columns], { perm: ints([0, 2, 1]) })
    masked++
    return { sums: step('MatMul', [columns, rows]), count: step('Size', [columns]) }
  }

  const watched = new Map<string, Watched>()
  for (const input of inputs) {
    const known = watched.get(input.key)
    if (known) {
      known.layers.push(input.layer.name)
      continue
    }
    const { key, groups, size, kind, rank, picked } = input
    const shared = { key, layers: [input.layer.name], groups, size }
    const plain = step('Cast', [input.value], { to: int(1) })
    if (kind === 'unfolded') {
      const { sums, count } = unfold(input, plain)
      values.set(sums, { name: sums, dtype: 'float32', shape: [groups, size, size] })
      values.set(count, { name: count, dtype: 'int64', shape: [] })
      watched.set(key, { ...shared, kind: 'grams', output: sums, count, picked: null })
      continue
    }
    const axes = Array.from({ length: rank }, (_, axis) => axis)
    const perm = [...axes.slice(0, -2), rank - 1, rank - 2]
    const output = kind === 'turned' ? step('Transpose', [plain], { perm: ints(perm) }) : plain
    watched.set(key, { ...shared, kind: 'rows', output, count: null, picked })
  }
  const mask = { name: sampleMask, dtype: 'float32' as const, shape: [null] }
  return {
    graph: {
      ...graph,
      nodes: [...graph.nodes, ...nodes],
      initializers,
      values,
      inputs: masked > 0 ? [...graph.inputs, mask] : graph.inputs,
    },
    watched: [...watched.values()],
  }
}

/** Kernel p of a channel is 1 at place p: [channels * places, 1, places]. */
function copies(channels: number, places: number): number[] {
  const kernel = new Array<number>(channels * places * places).fill(0)
  for (let row = 0; row < channels * places; row++) kernel[row * places + (row % places)] = 1
  return kernel
}
