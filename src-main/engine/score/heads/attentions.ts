// Where a network's attention is: the weights that Softmax gives, and the layer that reads what they mix.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { findAttentions } from '../../activate/attention.ts'
import type { Layer, Network } from '../../checkpoint/network.ts'
import type { Node } from '../../graph/ir.ts'
import { wiringOf } from '../../prepare/linears.ts'

export interface AttentionPlace {
  probabilities: string // graph value [batch, heads, queries, keys] or [batch * heads, queries, keys]
  reader: Layer | null // the layer behind it
  key: string // of its scores: the block's index, or the reader's name where blocks do not tell them apart
}

const longestWalk = 16

/** Attentions in order of the forward pass. Faults 'unsupported' where there are none. */
export function attentionPlaces(
  network: Network,
  title: string,
): { unit: 'block' | 'layer'; places: AttentionPlace[] } {
  const { graph } = network
  const layers = new Map(network.layers.map((layer) => [layer.name, layer]))
  const wiring = graph && wiringOf(graph)
  const found = (graph === null ? [] : findAttentions(graph)).flatMap(({ mixed }) => {
    const softmax = wiring && behind(mixed.inputs[0] ?? '', (name) => wiring.makers.get(name))
    if (!wiring || !softmax) return []
    const weight = ahead(
      mixed,
      (name) => wiring.readers.get(name) ?? [],
      (node) => wiring.linears.get(node)?.weight,
    )
    return [{ probabilities: softmax, reader: layers.get(weight ?? '') ?? null }]
  })
  if (found.length === 0)
    throw new Fault('unsupported', `${title}: ${network.name} has no attention whose weights could be looked at.`, {
      hint: network.graph === null ? 'Tensors alone have no activations.' : 'This score is for transformers.',
      data: { file: network.path },
    })
  const blocks = found.map(({ reader }) => reader?.block ?? null)
  const byBlock = !blocks.includes(null) && new Set(blocks).size === blocks.length
  return {
    unit: byBlock ? 'block' : 'layer',
    places: found.map((place, index) => ({
      ...place,
      key: byBlock ? `${blocks[index]}` : (place.reader?.name ?? place.probabilities),
    })),
  }
}

/** The Softmax result that a value is, rearranged or not. */
function behind(value: string, maker: (name: string) => Node | undefined): string | null {
  for (let node = maker(value); node; value = node.inputs[0] ?? '', node = maker(value)) {
    if (node.op === 'Softmax') return value
    if (!/^(Reshape|Identity|Cast|Dropout|Transpose)$/.test(node.op)) return null
  }
  return null
}

/** The first weight that reads what a node makes. */
function ahead(
  start: Node,
  readers: (name: string) => readonly Node[],
  weightOf: (node: Node) => string | undefined,
): string | null {
  let nodes: readonly Node[] = [start]
  for (let step = 0; step < longestWalk && nodes.length > 0; step++) {
    const next = nodes.flatMap(({ outputs }) => outputs.flatMap((name) => readers(name)))
    for (const node of next) {
      const weight = weightOf(node)
      if (weight !== undefined) return weight
    }
    nodes = next
  }
  return null
}
