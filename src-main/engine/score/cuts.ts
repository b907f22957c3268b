import type { Layer, Network } from '../checkpoint/network.ts'
import { cutBefore, segment } from '../graph/segment.ts'

export interface Cut {
  /** Values that, with graph inputs, are all that the layers and everything behind them need. Empty: the whole network. */
  cut: string[]
  layers: Layer[]
}

/** Layers by the cut from which they can be run: before their block, before the last one for what follows it. A weight that
 *  is read before its cut too (a tied embedding) runs with the whole network. */
export function layersByCut(network: Network, layers: readonly Layer[]): Cut[] {
  const { graph, blocks } = network
  if (graph === null) return []
  const whole: Cut = { cut: [], layers: [] }
  const found = [whole]
  for (const block of [...blocks, null]) {
    const from = block ?? blocks.at(-1)
    const cut = from === undefined ? [] : cutBefore(graph, from)
    const own = layers.filter((layer) => layer.block === (block?.index ?? null))
    const before = cut.length === 0 ? null : segment(graph, { outputs: cut }).initializers
    const late = own.filter(({ name }) => before !== null && !before.has(name))
    whole.layers.push(...own.filter((layer) => !late.includes(layer)))
    if (late.length > 0) found.push({ cut, layers: late })
  }
  return found.filter((site) => site.layers.length > 0)
}
