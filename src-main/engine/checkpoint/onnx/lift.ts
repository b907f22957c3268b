// Weights inside subgraphs (If, Loop, Scan) move to the main graph, where they have a name that a recipe can use. A
// subgraph sees all values of the graphs around it, so the model computes the same.
import type { Graph, Initializer } from '../../graph/ir.ts'
import { allGraphs, allNames, freshName, subgraphsOf } from '../../graph/scope.ts'
import { type Context, inlineTensor } from './context.ts'

/** Afterwards tensors that stay in the file are initializers of the main graph only, and `data.source` is their name. */
export function liftWeights(context: Context, graph: Graph): void {
  const taken = allNames(graph)
  const definitions = countDefinitions(graph)
  for (const node of graph.nodes) {
    for (const inner of subgraphsOf(node)) liftFrom(inner)
  }
  for (const [name, initializer] of graph.initializers) {
    if (!('source' in initializer.data)) continue
    const record = context.records.get(initializer.data.source)
    if (!record) continue
    context.records.delete(initializer.data.source)
    context.records.set(name, record)
    graph.initializers.set(name, { ...initializer, data: { source: name } })
  }

  function liftFrom(inner: Graph): void {
    // A branch may not return a value of the graph around it, and a default of an input is not a constant.
    const pinned = new Set([...inner.inputs, ...inner.outputs].map((value) => value.name))
    for (const [name, initializer] of [...inner.initializers]) {
      if (!('source' in initializer.data)) continue
      const key = initializer.data.source
      const record = context.records.get(key)
      if (!record) continue
      if (pinned.has(name)) {
        context.records.delete(key)
        inner.initializers.set(name, { ...inlineTensor(context, record), name })
        continue
      }
      const free = definitions.get(name) === 1 && !graph.initializers.has(name)
      const lifted = free ? name : freshName(taken, name)
      if (lifted !== name) rename(inner, name, lifted)
      inner.initializers.delete(name)
      inner.values.delete(name)
      graph.initializers.set(lifted, { ...initializer, name: lifted } satisfies Initializer)
      context.records.set(key, { ...record, name: lifted })
    }
    for (const node of inner.nodes) for (const deeper of subgraphsOf(node)) liftFrom(deeper)
  }
}

function countDefinitions(graph: Graph): Map<string, number> {
  const count = new Map<string, number>()
  const add = (name: string) => count.set(name, (count.get(name) ?? 0) + 1)
  for (const part of allGraphs(graph)) {
    for (const name of part.initializers.keys()) add(name)
    for (const input of part.inputs) add(input.name)
    for (const node of part.nodes) node.outputs.forEach(add)
  }
  return count
}

/** Renames what a graph reads, in it and in the graphs inside it that do not define the name themselves. */
function rename(graph: Graph, from: string, to: string): void {
  for (const node of graph.nodes) {
    node.inputs = node.inputs.map((name) => (name === from ? to : name))
    for (const inner of subgraphsOf(node)) {
      const own =
        inner.initializers.has(from) ||
        inner.inputs.some((input) => input.name === from) ||
        inner.nodes.some((each) => each.outputs.includes(from))
      if (!own) rename(inner, from, to)
    }
  }
}
