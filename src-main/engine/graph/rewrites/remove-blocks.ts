// Leaves residual blocks out: what a block would give on is what came in.
//   Men et al. 2024, "ShortGPT: Layers in Large Language Models are More Redundant Than You Expect", section 2; Veit et al.
//   2016, "Residual Networks Behave Like Ensembles of Relatively Shallow Networks", section 4.1 (the same in CNNs)
//   x_{i+1} = x_i + f_i(x_i)   becomes   x_{i+1} = x_i
// Layers that remain keep their names, and blocks their indexes: recipes, artifacts and measured losses go by them. Numbers
// are closed up where a file is written (export/close-up.ts).
// Cost: none; the graph is changed, no tensor is read.
import { z } from 'zod'
import { deriveSource } from '../../checkpoint/derived.ts'
import type { JsonMap } from '../../checkpoint/json.ts'
import type { LeftOut, Network, TensorSource } from '../../checkpoint/network.ts'
import { definePreparation } from '../../prepare/define.ts'
import type { Graph } from '../ir.ts'
import { bypass, pruned, type Span, standIns } from './bypass.ts'
import { numberOf, shallower } from './depth-config.ts'
import { misfit } from './refit.ts'
import { removableBlocks } from './shortcut.ts'

type Runnable = Network & { graph: Graph }

export const removeBlocks = definePreparation({
  id: 'remove-blocks',
  family: 'rewrite',
  title: 'Leave blocks out',
  summary: 'Leaves whole residual blocks out: the stream passes on as it came in.',
  cite: 'Men et al. 2024, ShortGPT: Layers in Large Language Models are More Redundant Than You Expect, section 2; Veit et al. 2016, Residual Networks Behave Like Ensembles of Relatively Shallow Networks, section 4.1',
  formula: 'x + f(x) becomes x in the chosen blocks',
  cost: 'none: the file is smaller and the network faster by the blocks left out',
  needs: [],
  version: 1,
  params: z.object({
    blocks: z
      .array(z.int().min(0).max(4095))
      .max(4096)
      .default([])
      .describe('blocks to leave out, counted from 0 in the network as it was opened'),
  }),
  refuses: (network, { blocks }) => (blocks.length === 0 ? null : refusal(network, new Set(blocks))),
  apply: (network, { blocks }) =>
    blocks.length === 0 || network.graph === null
      ? network
      : without({ ...network, graph: network.graph }, new Set(blocks)),
})

function refusal(network: Network, removed: ReadonlySet<number>): string | null {
  if (network.graph === null) return 'it holds tensors only, without a graph'
  const all = new Map(removableBlocks(network).map((block) => [block.index, block]))
  for (const index of removed) {
    const gone = network.leftOut?.blocks.some((block) => block.index === index)
    if (gone) return `block ${index + 1} is left out already`
    const block = all.get(index)
    if (!block) return all.size === 0 ? 'it has no blocks' : `it has no block ${index + 1}; there are ${all.size}`
    if (block.reason !== null) return `block ${index + 1} cannot be left out: ${block.reason}`
  }
  if (removed.size >= network.blocks.length) return 'no block would be left'
  return strayLayer({ ...network, graph: network.graph }, removed)
}

const spansOf = (network: Network, removed: ReadonlySet<number>): Span[] =>
  removableBlocks(network).flatMap(({ index, input, output }) =>
    removed.has(index) && input !== null && output !== null ? [{ input, output }] : [],
  )

/** A weight that would go, or stay, though its block does not: blocks are then no chain. */
function strayLayer(network: Runnable, removed: ReadonlySet<number>): string | null {
  const { graph } = network
  const left = bypass(graph, spansOf(network, removed)).initializers
  for (const { name, block, compressible } of network.layers) {
    if (!graph.initializers.has(name) || !compressible) continue
    const goes = block !== null && removed.has(block)
    if (!left.has(name) && !goes) return `${name} would be left out with them, though it is no part of these blocks`
    if (left.has(name) && goes) return `${name} is used outside of its block`
  }
  return null
}

function without(network: Runnable, removed: ReadonlySet<number>): Network {
  const { graph, layers, blocks, head, source, config, cached, rounding, card } = network
  const spans = spansOf(network, removed)
  const standIn = standIns(spans)
  const left = bypass(graph, spans)
  const gone = blocks.filter(({ index }) => removed.has(index))
  // Tensors of these modules that no graph uses go as well: old checkpoints store rotary frequencies with each block.
  const modules = config === null ? [] : gone.map(({ name }) => `${name}.`)
  const isGone = ({ name }: { name: string }) =>
    graph.initializers.has(name) ? !left.initializers.has(name) : modules.some((module) => name.startsWith(module))
  const kept = layers.filter((layer) => !isGone(layer))
  const hidden = new Set([...goneTensors(network, left), ...layers.filter(isGone).map(({ name }) => name)])
  const names = new Set(kept.map(({ name }) => name))
  const shallow = configOf(network, gone)
  const rest = deriveSource(source, new Map(), hidden)
  return {
    ...network,
    graph: left,
    source: rest,
    layers: kept,
    blocks: blocks
      .filter(({ index }) => !removed.has(index))
      .map((block) => ({ ...block, inputs: block.inputs.map(standIn) })),
    head: head && { ...head, hidden: standIn(head.hidden) },
    config: shallow,
    ...(cached && { cached: () => withoutCaches(cached(), spans, gone) }),
    ...(rounding && {
      rounding: rounding.map((each) => ({ ...each, layers: each.layers.filter((name) => names.has(name)) })),
    }),
    card: card.blocks === String(blocks.length) ? { ...card, blocks: String(blocks.length - gone.length) } : card,
    leftOut: leftOutOf(network, gone, { config: shallow, source: rest }),
  }
}

function leftOutOf(
  { path, leftOut, config, source }: Network,
  gone: readonly { index: number; name: string }[],
  after: { config: JsonMap | null; source: TensorSource },
): LeftOut {
  const blocks = [...(leftOut?.blocks ?? []), ...gone.map(({ index, name }) => ({ index, name }))]
  const whole = leftOut?.whole ?? { config, source }
  let found: string | null | undefined
  return {
    blocks,
    whole,
    misfit() {
      if (found !== undefined) return found
      const { config: before } = whole
      found =
        before === null || after.config === null
          ? null
          : misfit(
              path,
              { config: before, source: whole.source },
              { config: after.config, source: after.source },
              blocks,
            )
      return found
    },
  }
}

/** Tensors of the source that only the blocks left out used. */
function goneTensors({ graph }: Runnable, left: Graph): string[] {
  const still = new Set([...left.initializers.values()].flatMap(({ data }) => ('source' in data ? [data.source] : [])))
  return [...graph.initializers.values()].flatMap(({ data }) =>
    'source' in data && !still.has(data.source) ? [data.source] : [],
  )
}

function configOf({ config }: Network, gone: readonly { name: string }[]): Network['config'] {
  const numbered = gone.flatMap(({ name }) => numberOf(name) ?? [])
  let current = config
  for (const [prefix, each] of Map.groupBy(numbered, ({ prefix }) => prefix))
    if (current !== null) current = shallower(current, prefix, new Set(each.map(({ number }) => number)))
  return current
}

/** The graph with a key-value cache (families/cached.ts) names what it keeps of block i past_key_values.i and present.i. */
function withoutCaches(graph: Graph, spans: readonly Span[], gone: readonly { index: number }[]): Graph {
  const indexes = new Set(gone.map(({ index }) => String(index)))
  const isGone = ({ name }: { name: string }) => {
    const found = /^(past_key_values|present)\.(\d+)\.(key|value)$/.exec(name)
    return found !== null && indexes.has(found[2] ?? '')
  }
  const left = bypass({ ...graph, outputs: graph.outputs.filter((output) => !isGone(output)) }, spans)
  return pruned({ ...left, inputs: left.inputs.filter((input) => !isGone(input)) })
}
