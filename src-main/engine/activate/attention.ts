// The two products of attention, scores = q k^T and mixed = weights v, around a Softmax.
import type { DataType, Graph, Node } from '../graph/ir.ts'
import type { Bench } from './bench.ts'
import type { Insertion } from './rewrite.ts'
import { createTypes } from '../graph/types.ts'
import { findUses } from '../graph/uses.ts'

export interface Attention {
  scores: Node // MatMul: queries on the left, keys transposed on the right
  mixed: Node // MatMul: weights on the left, values on the right
  dtype: DataType
}

/** What stands between a product and the Softmax without changing what is what. */
const between = new Set(
  'Reshape Transpose Cast Identity Dropout Add Sub Mul Div Where Tanh Max Clip Squeeze Unsqueeze'.split(' '),
)
const longestWalk = 12

/** Attentions of the main graph in order; products with a weight are none. */
export function findAttentions(graph: Graph): Attention[] {
  const { constants } = findUses(graph)
  const makers = new Map<string, Node>()
  const readers = new Map<string, Node[]>()
  for (const node of graph.nodes) {
    for (const output of node.outputs) makers.set(output, node)
    for (const input of node.inputs) readers.set(input, [...(readers.get(input) ?? []), node])
  }
  const isProduct = (node: Node) => node.op === 'MatMul' && node.inputs.every((name) => !constants.has(name))
  const before = (value: string, steps = 0): Node | null => {
    const node = makers.get(value)
    if (!node || steps > longestWalk) return null
    if (isProduct(node)) return node
    if (!between.has(node.op)) return null
    for (const input of node.inputs) {
      const found = constants.has(input) ? null : before(input, steps + 1)
      if (found) return found
    }
    return null
  }
  const behind = (value: string, steps = 0): { node: Node; slot: number } | null => {
    if (steps > longestWalk) return null
    for (const node of readers.get(value) ?? []) {
      if (isProduct(node)) return { node, slot: node.inputs.indexOf(value) }
      const found = between.has(node.op) ? behind(node.outputs[0] ?? '', steps + 1) : null
      if (found) return found
    }
    return null
  }
  const types = createTypes(graph)
  return graph.nodes.flatMap((node) => {
    if (node.op !== 'Softmax') return []
    const scores = before(node.inputs[0] ?? '')
    const mixed = behind(node.outputs[0] ?? '')
    if (!scores || mixed?.slot !== 0) return []
    return [{ scores, mixed: mixed.node, dtype: types(node.inputs[0] ?? '') }]
  })
}

/** All four factors rounded with a scale shared along the sum, as an integer product needs it: queries, keys and weights
 *  for each token, values for each feature over all tokens (Zhang et al. 2024, "SageAttention2", section 3.3). */
export function attentionInsertions(
  graph: Graph,
  round: (bench: Bench, value: string, axes: readonly number[]) => string,
): Insertion[] {
  return findAttentions(graph).flatMap(({ scores, mixed, dtype }) =>
    [scores, mixed].flatMap((node) =>
      [-1, -2].map((axis, slot) => ({
        value: node.inputs[slot] ?? '',
        dtype,
        graph,
        readers: [{ node, slot }],
        emit: (bench: Bench, value: string) => round(bench, value, [axis]),
      })),
    ),
  )
}

export const attentionHelp = 'Also both products of attention: queries, keys, weights and values'
