// Attention concentration: how much attention each token receives (RSQ, section 3.3, "AttnCon").
import { attributeInt, type Graph, type Node } from '../../graph/ir.ts'

/** Sums the rows of one sample's attention, in order: [keys]. Twin: concentration.ref.ts. */
export function concentration(
  probabilities: Float32Array, // [heads, queries, keys]
  heads: number,
  length: number, // queries, and keys
  real: ArrayLike<number>, // [queries] 0 for fillings
): Float64Array {
  const sums = new Float64Array(length)
  let at = 0
  for (let row = 0; row < heads * length; row++) {
    if (real[row % length] === 0) {
      at += length
      continue
    }
    for (let key = 0; key < length; key++) sums[key] = (sums[key] as number) + (probabilities[at++] as number)
  }
  return sums
}

/** Whether no query of a sample sees a token behind itself. */
export function isCausal(probabilities: Float32Array, heads: number, length: number): boolean {
  for (let head = 0; head < heads; head++)
    for (let query = 0; query < length; query++) {
      const row = (head * length + query) * length
      for (let key = query + 1; key < length; key++) if ((probabilities[row + key] as number) > 0) return false
    }
  return true
}

const passing = new Set('Reshape Cast Identity Dropout Transpose Where Mul'.split(' '))

/** Values that hold attention probabilities: what a Softmax over keys gives to a product with values. */
export function attentionValues(graph: Graph): string[] {
  const readers = new Map<string, Node[]>()
  for (const node of graph.nodes)
    for (const name of node.inputs) readers.set(name, [...(readers.get(name) ?? []), node])
  const mixes = (value: string, steps: number): boolean =>
    (readers.get(value) ?? []).some(
      (node) =>
        (node.op === 'MatMul' && node.inputs[0] === value) ||
        (steps > 0 && passing.has(node.op) && mixes(node.outputs[0] ?? '', steps - 1)),
    )
  return graph.nodes.flatMap((node) => {
    const [output = ''] = node.outputs
    const overLast = [-1, 2, 3].includes(attributeInt(node, 'axis', -1))
    return node.op === 'Softmax' && overLast && mixes(output, 3) ? [output] : []
  })
}
