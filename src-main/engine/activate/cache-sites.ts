// Keys and values on their way into attention.
import { attributeInts, type DataType, type Graph, type Node } from '../graph/ir.ts'
import { findAttentions } from './attention.ts'

/** Keys or values of one attention, [..., features] with tokens along another axis. */
export interface CacheSite {
  layer: string // 'attention.3.key': its name in every graph of the network
  kind: 'key' | 'value'
  value: string
  dtype: DataType
  readers: { node: Node; slot: number }[]
  featureAxis: -1 | -2
  tokenAxis: number
}

/** In order of use. `before`: keys as they are before positions turn them; an attention whose keys are not turned gives
 *  them as they are. */
export function cacheSites(graph: Graph, before: boolean): CacheSite[] {
  const makers = new Map<string, Node>()
  for (const node of graph.nodes) for (const output of node.outputs) makers.set(output, node)
  return findAttentions(graph).flatMap(({ scores, mixed, dtype }, index) => {
    const name = (kind: string) => ({ layer: `attention.${index}.${kind}`, dtype })
    const late = keyOf(scores, makers)
    const early = before ? beforeRotation(graph, late.value, makers) : null
    const [, value = ''] = mixed.inputs
    return [
      { ...name('key'), kind: 'key' as const, ...(early ?? late) },
      {
        ...name('value'),
        kind: 'value' as const,
        value,
        readers: [{ node: mixed, slot: 1 }],
        featureAxis: -1 as const,
        tokenAxis: -2,
      },
    ]
  })
}

type Place = Pick<CacheSite, 'value' | 'readers' | 'featureAxis' | 'tokenAxis'>

/** The keys before the transposition that makes them a right factor, where there is one. */
function keyOf(scores: Node, makers: ReadonlyMap<string, Node>): Place {
  const [, right = ''] = scores.inputs
  const maker = makers.get(right)
  const perm = maker?.op === 'Transpose' ? attributeInts(maker, 'perm') : null
  const last = (perm?.length ?? 0) - 1
  const tokens = perm?.[last]
  if (maker === undefined || perm?.[last - 1] !== last || tokens === undefined)
    return { value: right, readers: [{ node: scores, slot: 1 }], featureAxis: -2, tokenAxis: -1 }
  return {
    value: maker.inputs[0] ?? '',
    readers: [{ node: maker, slot: 0 }],
    featureAxis: -1,
    tokenAxis: tokens - perm.length,
  }
}

const turning = new Set('Concat Add Sub Mul Neg Slice Split Identity Cast'.split(' '))
const bringing = new Set('Transpose Reshape Gemm MatMul'.split(' '))

/** The one value that all parts of turned keys come from; null where they are not turned. */
function beforeRotation(graph: Graph, turned: string, makers: ReadonlyMap<string, Node>): Place | null {
  const found = new Set<string>()
  const seen = new Set<string>()
  const open = [turned]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (seen.has(name)) continue
    seen.add(name)
    const maker = makers.get(name)
    if (maker && turning.has(maker.op)) open.push(...maker.inputs)
    else if (maker && bringing.has(maker.op)) found.add(name)
  }
  const [value] = found
  if (value === undefined || found.size > 1 || value === turned) return null
  const readers = graph.nodes.flatMap((node) => {
    const slot = node.inputs.indexOf(value)
    return slot === -1 ? [] : [{ node, slot }]
  })
  return { value, readers, featureAxis: -1, tokenAxis: -2 }
}
