import { describe, expect, test } from 'vitest'
import type { Network } from '../../../../src-main/engine/checkpoint/network.ts'
import { closeUp } from '../../../../src-main/engine/export/close-up.ts'
import { Settings } from '../../../../src-main/engine/graph/families/config.ts'
import { modelFamilies } from '../../../../src-main/engine/graph/families/registry.ts'
import { type Graph, node } from '../../../../src-main/engine/graph/ir.ts'
import { removeBlocks } from '../../../../src-main/engine/graph/rewrites/remove-blocks.ts'
import { carries, removableBlocks } from '../../../../src-main/engine/graph/rewrites/shortcut.ts'
import { segment } from '../../../../src-main/engine/graph/segment.ts'
import { flowOf } from '../../../../src-main/engine/probe/flow.ts'
import { allCases } from '../../prepare/cases.ts'
import { distance, type Feeds, outputsOf, relativeError } from '../../prepare/compare.ts'
import { fail } from '../../families/run.ts'
import { imageData, residualGraph, residualNetwork } from '../../score/network.ts'

const without = (network: Network, ...blocks: number[]) =>
  removeBlocks.apply(network, { blocks }, { seed: 0, measured: null })
const graphOf = ({ graph }: Network) => graph ?? fail('no graph')

/** What a network gives when the stream at the end of a block is what entered it: two runs of the whole network's parts. */
async function skipped(network: Network, feeds: Feeds, index: number): Promise<Feeds> {
  const graph = graphOf(network)
  const { input, output } = flowOf(network).find((each) => each.index === index) ?? fail('no block')
  if (input === null || output === null) return fail('no stream')
  const run = (part: Graph, given: Feeds) => {
    const taken = new Set(part.inputs.map(({ name }) => name))
    return outputsOf(network, Object.fromEntries(Object.entries(given).filter(([name]) => taken.has(name))), part)
  }
  const entering = (await run(segment(graph, { outputs: [input] }), feeds))[input] ?? fail(input)
  const rest = segment(graph, { inputs: [output], outputs: graph.outputs.map(({ name }) => name) })
  return run(rest, { ...feeds, [output]: entering })
}

const numbers = (feeds: Feeds) => Object.values(feeds).flatMap(({ data }) => Array.from(data, Number))

describe.each(allCases)('$name', ({ name, open }) => {
  test('gives what the rest of it gives for the stream as it was, and its configuration says so', async () => {
    const { network, feeds, close } = open()
    try {
      const free = removableBlocks(network).filter(({ reason }) => reason === null)
      if (free.length < 2) return
      const { index } = free[free.length - 2] ?? fail('no block')
      const left = without(network, index)
      expect(relativeError(numbers(await skipped(network, feeds, index)), numbers(await outputsOf(left, feeds)))).toBeLessThan(1e-5) // prettier-ignore
      expect(left.blocks.map((block) => block.index)).toEqual(
        network.blocks.map((block) => block.index).filter((each) => each !== index),
      )
      const gone = network.layers.filter((layer) => layer.block === index)
      expect(gone.length).toBeGreaterThan(0)
      for (const layer of gone) {
        expect(left.layers).not.toContainEqual(expect.objectContaining({ name: layer.name }))
        expect(left.source.tensors.has(layer.name)).toBe(false)
      }
      const closed = closeUp(left)?.network ?? fail('nothing to close up')
      expect(await distance(left, closed, feeds)).toBe(0)
      const reason = left.leftOut?.misfit() ?? null
      if (reason !== null) {
        expect(`${name}: ${reason}`).toMatch(/swin|gpt2/i) // shifted windows, scores divided by a block's number
        return
      }
      const family = modelFamilies.find(({ id }) => id === network.family) ?? fail(network.family)
      const config = closed.config ?? fail('no configuration')
      const again = family.build(new Settings(config, 'config.json'), closed.source.tensors, {})
      const outputs = new Set(again.graph.outputs.map((output) => output.name))
      const shared = graphOf(closed).outputs.filter((output) => outputs.has(output.name))
      expect(shared.length).toBeGreaterThan(0)
      const part = (graph: typeof again.graph) => ({ ...graph, outputs: shared })
      const [a, b] = [
        await outputsOf(closed, feeds, part(graphOf(closed))),
        await outputsOf(closed, feeds, part(again.graph)),
      ]
      for (const { name: output } of shared)
        expect(relativeError(Array.from(a[output]?.data ?? [], Number), Array.from(b[output]?.data ?? [], Number))).toBeLessThan(1e-5) // prettier-ignore
      if (!closed.cached || !again.cached) return
      const io = (graph: typeof again.graph) =>
        [graph.inputs, graph.outputs].map((each) => each.map((info) => info.name))
      expect(io(closed.cached())).toEqual(io(again.cached()))
    } finally {
      close()
    }
  })
})

describe('on a small residual network', () => {
  const network = residualNetwork()
  const feeds = async () => {
    for await (const batch of imageData(4).calibrate.batches({ batchSize: 4 })) return batch.feeds
    return fail('no data')
  }

  test('several blocks, the last among them, at once or one after the other', async () => {
    const given = await feeds()
    const one = await skipped(network, given, 2)
    expect(relativeError(numbers(one), numbers(await outputsOf(without(network, 2), given)))).toBeLessThan(1e-6)
    const [together, apart] = [without(network, 1, 2), without(without(network, 2), 1)]
    expect(together.blocks.map(({ index }) => index)).toEqual([0])
    expect(together.leftOut?.blocks.map(({ index }) => index)).toEqual([1, 2])
    expect(together.graph?.nodes.map(({ op }) => op)).toEqual(
      'Conv Relu Conv Relu Conv Add Relu GlobalAveragePool Flatten Gemm'.split(' '),
    )
    expect(await distance(together, apart, given)).toBe(0)
    expect(relativeError(numbers(await outputsOf(network, given)), numbers(one))).toBeGreaterThan(0.01)
  })

  test('no blocks: the network itself', () => expect(without(network)).toBe(network))

  test.each([
    [[3], 'no block 4; there are 3'],
    [[0, 1, 2], 'no block would be left'],
  ])('refuses %j', (blocks, words) => {
    expect(removeBlocks.refuses(network, { blocks })).toContain(words)
    expect(() => without(network, ...blocks)).toThrow(words)
  })

  test('a block that is gone cannot go again', () =>
    expect(removeBlocks.refuses(without(network, 1), { blocks: [1] })).toContain('block 2 is left out already'))

  test('a block read past its end, and one without a shortcut', () => {
    const graph = residualGraph()
    const plain = { ...graph, nodes: graph.nodes.map((each) => (each.outputs[0] === 'blocks.1.d' ? node('Identity', ['blocks.1.c'], ['blocks.1.d']) : each)) } // prettier-ignore
    expect(carries(graph, 'blocks.0.out', 'blocks.1.out')).toBe(true)
    expect(carries(plain, 'blocks.0.out', 'blocks.1.out')).toBe(false)
    expect(carries(graph, 'blocks.1.out', 'blocks.0.out')).toBe(false)
    expect(removeBlocks.refuses({ ...network, graph: plain }, { blocks: [1] })).toContain('block 2 cannot be left out: nothing carries') // prettier-ignore
  })
})
