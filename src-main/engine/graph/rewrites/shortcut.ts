// Which blocks can be left out: those that add to a stream that goes on beside them.
import type { Network } from '../../checkpoint/network.ts'
import { type BlockFlow, flowOf } from '../../probe/flow.ts'
import type { Graph, Node } from '../ir.ts'
import { createDescriptions } from '../types.ts'

/** Operators whose result can be any of these inputs, changed element by element: its shape is that of what came in. */
const elementwise = new Set('Add Sub Mul Div Sum Min Max'.split(' '))
const unary = new Set(
  (
    'Relu LeakyRelu PRelu Elu Selu Celu Gelu HardSwish HardSigmoid Mish Swish Sigmoid Tanh Softplus Clip Erf Identity Cast Dropout ' +
    'BatchNormalization LayerNormalization GroupNormalization InstanceNormalization RMSNormalization SimplifiedLayerNormalization'
  ).split(' '),
)

/** Whether `output` is `input` with something added to it, through operators that keep the shape. */
export function carries(graph: Graph, input: string, output: string): boolean {
  const makers = new Map<string, Node>()
  for (const node of graph.nodes) for (const name of node.outputs) if (name !== '') makers.set(name, node)
  const seen = new Set<string>()
  const open = [output]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (name === input) return true
    if (seen.has(name)) continue
    seen.add(name)
    const maker = makers.get(name)
    if (!maker) continue
    if (elementwise.has(maker.op)) open.push(...maker.inputs)
    else if (unary.has(maker.op)) open.push(...maker.inputs.slice(0, 1))
  }
  return false
}

/** A block and, in words, why it cannot be left out; null where it can. */
export interface Removable extends BlockFlow {
  reason: string | null
}

const removables = new WeakMap<Network, Removable[]>()

/** Every block of the network, in order. Looks at the graph only; no tensor is read. */
export function removableBlocks(network: Network): Removable[] {
  const known = removables.get(network)
  if (known) return known
  const { graph } = network
  const described = graph === null ? null : createDescriptions(graph)
  const shapeOf = (name: string): readonly unknown[] | null => {
    const given = graph?.values.get(name) ?? graph?.inputs.find((value) => value.name === name)
    return given && described ? described(name).shape : null
  }
  const found = flowOf(network).map((flow): Removable => {
    const { input, output } = flow
    if (graph === null || input === null || output === null)
      return { ...flow, reason: 'no single value enters and leaves it' }
    const [before, after] = [shapeOf(input), shapeOf(output)]
    if (before && after && differ(before, after))
      return { ...flow, reason: `it turns shape ${told(before)} into ${told(after)}` }
    return {
      ...flow,
      reason: carries(graph, input, output)
        ? null
        : 'nothing carries its input past it unchanged in shape (it is no residual block, or it makes the stream smaller)',
    }
  })
  removables.set(network, found)
  return found
}

/** Whether two shapes cannot be the same. */
const differ = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length !== b.length ||
  a.some((size, axis) => typeof size === 'number' && typeof b[axis] === 'number' && size !== b[axis])

const told = (shape: readonly unknown[]): string => `[${shape.map((size) => String(size ?? '?')).join(', ')}]`
