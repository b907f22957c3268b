import type { Graph, Node } from '../graph/ir.ts'

// What may stand between the softmax and the output without changing which number belongs to which class.
const passing = new Set(['Identity', 'Flatten', 'Reshape', 'Squeeze', 'Unsqueeze', 'Cast'])

/**
 * The value that holds a classifier's logits. A final Softmax is left off: probabilities round small classes to nothing,
 * and their logarithm is what we want. LogSoftmax is a shift of logits and may stay.
 */
export function logitsValue(graph: Graph): string | null {
  const output = graph.outputs[0]?.name
  if (output === undefined) return null
  const makers = new Map<string, Node>()
  for (const node of graph.nodes) for (const name of node.outputs) makers.set(name, node)
  let value = output
  for (let steps = 0; steps < 8; steps++) {
    const maker = makers.get(value)
    const source = maker?.inputs[0]
    if (!maker || maker.domain !== '' || source === undefined) return output
    if (maker.op === 'Softmax') return source
    if (!passing.has(maker.op)) return output
    value = source
  }
  return output
}
