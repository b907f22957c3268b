// Means of what layers give, channel by channel, and a graph that brings them back to given ones while it runs.
import { attributeInt, type Graph, ints, type Node, node, type ValueInfo } from '../graph/ir.ts'
import { int64Tensor } from '../graph/constants.ts'
import { createRanks } from '../graph/rank.ts'
import { allNames, freshName } from '../graph/scope.ts'
import { isVector, wiringOf } from './linears.ts'

/** A layer whose outputs have a bias of their own in the graph. */
export interface Biased {
  weight: string // initializers
  bias: string
  output: string // value behind the bias
  channels: number
  rank: number // of the output
  axis: number // of the channels
}

/** Layers with a bias that nothing else reads. Halves are left alone: their sums are too coarse to correct. */
export function biasedLayers(graph: Graph): Biased[] {
  const wiring = wiringOf(graph)
  const ranks = createRanks(graph)
  const found: Biased[] = []
  const alone = (name: string) => wiring.readers.get(name)?.length === 1
  const float = (name: string) => graph.initializers.get(name)?.dtype === 'float32'
  const take = (weight: string, bias: string, output: string, channels: number, image: boolean) => {
    const rank = ranks(output)
    if (rank === null || rank < 2 || output === '') return
    if (float(weight) && float(bias) && alone(weight) && alone(bias))
      found.push({ weight, bias, output, channels, rank, axis: image ? 1 : rank - 1 })
  }
  for (const at of graph.nodes) {
    const [, weight = '', bias = ''] = at.inputs
    const shape = graph.initializers.get(weight)?.shape
    const linear = wiring.linears.get(at)
    if (linear?.node === at && linear.bias !== null && linear.outputs > 1)
      take(linear.weight, linear.bias, linear.output, linear.outputs, false)
    else if (shape && /^Conv(Transpose)?$/.test(at.op) && at.domain === '') {
      const channels = at.op === 'Conv' ? (shape[0] ?? 0) : (shape[1] ?? 0) * attributeInt(at, 'group', 1)
      if (isVector(graph, bias, channels)) take(weight, bias, at.outputs[0] ?? '', channels, true)
    }
  }
  return found
}

export interface Means {
  graph: Graph
  means: ReadonlyMap<string, string> // of a layer's output, by weight: graph outputs, [channels] with axes of 1
  targets: ReadonlyMap<string, string> // graph inputs of the same shape, by weight; none where nothing is corrected
}

/** The graph with the mean of every layer's output as outputs of its own: of this batch, over all axes but that of the
 *  channels. `corrected`: behind each layer the means are brought to given ones, so that later layers see corrected
 *  values; the means are still those from before. Nothing else is left of the graph's outputs. */
export function withMeans(graph: Graph, layers: readonly Biased[], corrected: boolean): Means {
  const taken = allNames(graph)
  const [initializers, values] = [new Map(graph.initializers), new Map(graph.values)]
  const asInput = (graph.opsets.get('') ?? 0) >= 18
  const [means, targets] = [new Map<string, string>(), new Map<string, string>()]
  const inputs: ValueInfo[] = [...graph.inputs]
  const outputs: ValueInfo[] = []
  const behind = new Map(layers.map((layer) => [layer.output, layer]))

  const reduce = (from: string, to: string, { rank, axis }: Biased): Node => {
    const axes = Array.from({ length: rank }, (_, at) => at).filter((at) => at !== axis)
    if (!asInput) return node('ReduceMean', [from], [to], { axes: ints(axes) })
    const name = freshName(taken, `${to}/axes`)
    initializers.set(name, int64Tensor(name, axes))
    return node('ReduceMean', [from, name], [to])
  }
  const nodes = graph.nodes.flatMap((own): Node[] => {
    const layer = own.outputs.map((name) => behind.get(name)).find((each) => each !== undefined)
    if (!layer) return [own]
    const { output, weight, rank, axis, channels } = layer
    const mean = freshName(taken, `${output}/mean`)
    const info = {
      dtype: 'float32' as const,
      shape: Array.from({ length: rank }, (_, at) => (at === axis ? channels : 1)),
    }
    means.set(weight, mean)
    outputs.push({ name: mean, ...info })
    values.set(mean, { name: mean, ...info })
    if (!corrected) return [own, reduce(output, mean, layer)]
    const [raw, centred, target] = ['raw', 'centred', 'target'].map((what) => freshName(taken, `${output}/${what}`)) as [string, string, string] // prettier-ignore
    targets.set(weight, target)
    inputs.push({ name: target, ...info })
    return [
      { ...own, outputs: own.outputs.map((name) => (name === output ? raw : name)) },
      reduce(raw, mean, layer),
      node('Sub', [raw, mean], [centred]),
      node('Add', [centred, target], [output]),
    ]
  })
  return { graph: { ...graph, nodes, inputs, outputs, initializers, values }, means, targets }
}
