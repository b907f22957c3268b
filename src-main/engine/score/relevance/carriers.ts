// Which values of a graph carry relevance: what is computed from the numbers of the data. What follows from shapes alone
// (positions, causal masks) and what comes from the weights alone takes none.
import { attributeInt, dataTypes, type Graph } from '../../graph/ir.ts'
import { readsOf } from '../../graph/scope.ts'

export interface Carriers {
  values: ReadonlySet<string>
  /** Carriers made from token numbers by looking them up in a table: relevance ends here, in the embedding. */
  origins: ReadonlySet<string>
}

const ofShape = new Set(['Shape', 'Size'])
/** Results that are no longer amounts of anything. */
const decisions = new Set(
  (
    'Shape Size ConstantOfShape Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor Not IsNaN IsInf ArgMax ArgMin ' +
    'NonZero OneHot Range EyeLike'
  ).split(' '),
)
const floats = new Set(['float32', 'float16', 'bfloat16', 'float64'])

export function findCarriers(graph: Graph): Carriers {
  const data = new Set(graph.inputs.map(({ name }) => name))
  const values = new Set(graph.inputs.filter(({ dtype }) => floats.has(dtype)).map(({ name }) => name))
  const origins = new Set<string>()
  for (const node of graph.nodes) {
    const reads = readsOf(node)
    if (!ofShape.has(node.op) && reads.some((name) => data.has(name))) for (const name of node.outputs) data.add(name)
    const [first = '', second = ''] = node.inputs
    const target = node.op === 'Cast' ? dataTypes[attributeInt(node, 'to', 1)] : 'float32'
    if (node.op === 'Gather' && !data.has(first) && data.has(second) && !integral(graph, first)) {
      for (const name of node.outputs) origins.add(name)
    } else if (decisions.has(node.op) || !floats.has(target ?? '')) continue
    else if (!reads.some((name) => values.has(name))) continue
    for (const name of node.outputs) if (name !== '') values.add(name)
  }
  return { values, origins }
}

const integral = (graph: Graph, name: string): boolean => {
  const table = graph.initializers.get(name)
  return table !== undefined && !floats.has(table.dtype)
}
