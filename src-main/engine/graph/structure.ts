// The structure of any ONNX graph: its layers with roles, its blocks, its task.
import type { Block, Layer, Network } from '../checkpoint/network.ts'
import { findBlocks } from './blocks.ts'
import { cutFlow } from './flow.ts'
import type { Graph, Node } from './ir.ts'
import { findLayers, type Tensors } from './layers.ts'
import { findTask } from './task.ts'
import { findUses } from './uses.ts'

export interface Structure {
  layers: Layer[] // every weight, in order of first use
  blocks: Block[]
  task: Network['task']
}

/** Reads names, operators and shapes only; `tensors` gives each weight's stored type and bytes. */
export function analyse(graph: Graph, tensors: Tensors): Structure {
  const uses = findUses(graph)
  const placed = findLayers(graph, tensors, uses)
  nameHead(
    graph,
    placed.map((each) => each.layer),
  )
  const main = placed.filter((each) => each.layer.compressible).map((each) => each.layer)
  const weights = derived(graph, new Set(main.map((layer) => layer.name)), uses.constants)
  const tables = derived(
    graph,
    new Set(main.filter((layer) => layer.op === 'Gather').map((layer) => layer.name)),
    uses.constants,
  )
  const blocks = findBlocks(cutFlow(graph, uses.constants, weights, tables), placed)
  return { layers: placed.map((each) => each.layer), blocks, task: findTask(graph) }
}

/** The given constants and all constants computed from them. */
function derived(graph: Graph, names: ReadonlySet<string>, constants: ReadonlySet<string>): Set<string> {
  const all = new Set(names)
  for (const node of graph.nodes) {
    const [output = ''] = node.outputs
    if (constants.has(output) && node.inputs.some((name) => all.has(name)))
      for (const name of node.outputs) all.add(name)
  }
  return all
}

const passing = new Set('Softmax LogSoftmax Reshape Squeeze Flatten Identity Cast Add Mul Div Tanh Clip'.split(' '))

/** The dense layer whose result goes to the first graph output through nothing but plain operators is the head. */
function nameHead(graph: Graph, layers: readonly Layer[]): void {
  const makers = new Map<string, Node>()
  for (const node of graph.nodes) for (const output of node.outputs) makers.set(output, node)
  const dense = new Map(layers.filter((layer) => /^(fc|linear)$/.test(layer.role)).map((layer) => [layer.name, layer]))
  const open = graph.outputs[0] ? [graph.outputs[0].name] : []
  for (let name = open.pop(), steps = 0; name !== undefined && steps < 32; name = open.pop(), steps++) {
    const node = makers.get(name)
    if (!node) continue
    const weight = node.inputs
      .map((input) => dense.get(input) ?? dense.get(makers.get(input)?.inputs[0] ?? ''))
      .find(Boolean)
    if (weight && /Gemm|MatMul/.test(node.op)) {
      weight.role = 'head'
      return
    }
    if (passing.has(node.op)) open.push(...node.inputs.filter((input) => makers.has(input)))
  }
}
