// What the token inputs of a network may hold, by the names that exporters give them.
import type { Network, TokenFacts } from '../checkpoint/network.ts'
import type { Graph, ValueInfo } from '../graph/ir.ts'
import type { Random } from './random.ts'

/** Vocabulary and context of a network: told by its family, by its head, or by the table its tokens are looked up in. */
export function tokensOf(network: Network): TokenFacts | null {
  const { tokens, head, graph } = network
  if (tokens) return tokens
  if (head) return { vocabulary: head.vocabulary, context: head.context }
  const vocabulary = graph && rowsLookedUp(graph)
  return vocabulary ? { vocabulary, context: null } : null
}

const carrying = new Set(['Reshape', 'Cast', 'Identity', 'Squeeze', 'Unsqueeze'])

/** Rows of the initializer that input_ids index. */
function rowsLookedUp(graph: Graph): number | null {
  const ids = new Set(['input_ids'])
  for (const node of graph.nodes) {
    if (carrying.has(node.op) && ids.has(node.inputs[0] ?? '')) for (const output of node.outputs) ids.add(output)
    if (node.op !== 'Gather' || !ids.has(node.inputs[1] ?? '')) continue
    const [rows] = graph.initializers.get(node.inputs[0] ?? '')?.shape ?? []
    if (rows !== undefined) return rows
  }
  return null
}

const mostDefault = 32

/** Tokens of one sample of noise: a few, and those that stand for an image. */
export const noiseLength = ({ context, image }: TokenFacts): number =>
  Math.min(context ?? Infinity, mostDefault + (image?.count ?? 0))

type Fill = (source: Random, index: number, time: number) => number

/** Noise that makes sense for a token input of whole numbers; null for an input that is not known. */
export function tokenNoise(input: ValueInfo, facts: TokenFacts | null): Fill | null {
  if (input.dtype !== 'int64' && input.dtype !== 'int32') return null
  switch (input.name) {
    case 'attention_mask':
      return () => 1
    case 'token_type_ids':
      return () => 0
    case 'position_ids':
      return (_, index, time) => index % time
    case 'input_ids':
      return facts && idNoise(facts)
    default:
      return null
  }
}

/** The tokens of an image first, as many as it has; then any but these. */
function idNoise({ vocabulary, image }: TokenFacts): Fill {
  return (source, index, time) => {
    if (image && index % time < image.count) return image.token
    const token = Math.floor(source.uniform() * vocabulary)
    return image && token === image.token ? (token + 1) % vocabulary : token
  }
}
