import { rmSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import type { Graph } from '../../../src-main/engine/graph/ir.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import type { Session, TensorValue } from '../../../src-main/engine/runtime/types.ts'
import { familyCases, goldenCases, writeGoldenFolder, type GoldenCase } from './golden.ts'
import { fail, largestDifference, openPath, whole } from './run.ts'

const cases = [...goldenCases, ...familyCases]
const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const open = (golden: GoldenCase, config: Record<string, unknown> = {}): Network => {
  const folder = writeGoldenFolder(golden, 1, config)
  folders.push(folder)
  return openPath(folder)
}
const find = (name: string) => cases.find((golden) => golden.name === name) ?? fail(`no case ${name}`)
const cachedGraph = (network: Network): Graph => network.cached?.() ?? fail('no graph with a cache')
const start = (graph: Graph, network: Network) =>
  openSession(graph, weightReader(network), { device: 'cpu', threads: 1 }, fail)

/** A cache of nothing for so many rows, sized as generators do it: by the name of the first dimension. */
function emptyCache(graph: Graph, rows: number): Record<string, TensorValue> {
  const caches = graph.inputs.filter(({ name }) => name.startsWith('past_key_values.'))
  return Object.fromEntries(
    caches.map(({ name, shape }) => {
      const dims = (shape ?? []).map((dim) => (typeof dim === 'number' ? dim : dim === 'batch_size' ? rows : 0))
      return [name, { dtype: 'float32' as const, dims, data: new Float32Array(0) }]
    }),
  )
}

/** positions as generators make them: ones counted, padding at 1 */
const positionsOf = (mask: readonly number[]) => {
  let count = 0
  return mask.map((one) => (one === 0 ? 1 : count++))
}

/** Runs rows of tokens through the cache in steps of the given lengths; gives the logits of every step. */
async function generate(session: Session, graph: Graph, ids: number[][], masks: number[][], steps: number[]) {
  let cache = emptyCache(graph, ids.length)
  let at = 0
  const results: TensorValue[] = []
  for (const step of steps) {
    const end = at + step
    const cut = (rows: number[][]) => whole(rows.map((row) => row.slice(at, end)))
    const seen = masks.map((mask) => mask.slice(0, end))
    const feeds = { input_ids: cut(ids), attention_mask: whole(seen), position_ids: cut(seen.map(positionsOf)) }
    const outputs = await session.run({ ...feeds, ...cache })
    cache = Object.fromEntries(
      Object.keys(cache).map((name) => [name, outputs[name.replace('past_key_values', 'present')] ?? fail(name)]),
    )
    results.push(outputs.logits ?? fail('no logits'))
    at = end
  }
  return results
}

const ones = (rows: number[][]) => rows.map((row) => row.map(() => 1))
const lastLogits = ({ data, dims }: TensorValue, row: number): number[] => {
  const [, time = 0, vocabulary = 0] = dims
  return Array.from((data as Float32Array).subarray(((row + 1) * time - 1) * vocabulary, (row + 1) * time * vocabulary))
}

const long = /^(dynamic|longrope|phi3_longrope|phi3_partial)/

// Each step is compared with the whole text up to it. Where the rotation depends on the length of the text, a longer text
// changes what earlier tokens are from the second block on; with one block the comparison is exact there, too.
test.each(cases)('$name: token by token gives what the whole window gives', async (golden) => {
  const network = open(golden, long.test(golden.name) ? { num_hidden_layers: 1 } : {})
  const graph = cachedGraph(network)
  const session = await start(graph, network)
  const plain = await start(network.graph ?? fail('no graph'), network)
  const [first = []] = golden.ids
  const steps = [4, 2, ...new Array<number>(first.length - 6).fill(1)]
  let length = 0
  const results = await generate(session, graph, golden.ids, ones(golden.ids), steps)
  for (const [step, result] of results.entries()) {
    length += steps[step] ?? 0
    const { logits } = await plain.run({ input_ids: whole(golden.ids.map((row) => row.slice(0, length))) })
    for (const row of [0, 1])
      expect(largestDifference(lastLogits(result, row), lastLogits(logits ?? fail('none'), row))).toBeLessThan(5e-5)
  }
  await session.release()
  await plain.release()
  network.source.close()
})

test.each(['plain', 'mistral_window', 'longrope_long', 'dynamic_long', 'gemma3', 'gpt2', 'neox', 'opt', 'qwen2_moe'])(
  '%s: padding on the left changes nothing',
  async (name) => {
    const golden = find(name)
    const network = open(golden)
    const graph = cachedGraph(network)
    const session = await start(graph, network)
    const [long = [], short = []] = golden.ids
    const length = long.length
    const padding = 3
    const padded = [long, [...new Array<number>(padding).fill(0), ...short.slice(0, length - padding)]]
    const masks = padded.map((row, index) => row.map((_, place) => (index === 1 && place < padding ? 0 : 1)))
    const steps = [length - 4, 1, 1, 2]
    const both = await generate(session, graph, padded, masks, steps)
    const alone = [short.slice(0, length - padding)]
    const single = await generate(session, graph, alone, ones(alone), [length - 4 - padding, 1, 1, 2])
    for (const [step, result] of both.entries())
      expect(largestDifference(lastLogits(result, 1), lastLogits(single[step] ?? fail('none'), 0))).toBeLessThan(5e-5)
    await session.release()
    network.source.close()
  },
)

test('beyond the length at which the rotation changes, a cache is exact again', async () => {
  const golden = find('phi3_longrope_long')
  const network = open(golden)
  const graph = cachedGraph(network)
  const session = await start(graph, network)
  const results = await generate(session, graph, golden.ids, ones(golden.ids), [17, 2, 1])
  for (const row of [0, 1]) {
    const wanted = golden.logits[row]?.slice(-40) ?? []
    expect(largestDifference(lastLogits(results[2] ?? fail('none'), row), wanted)).toBeLessThan(5e-5)
  }
  await session.release()
  network.source.close()
})

test('inputs, outputs and their dimensions are those that generators look for', () => {
  const network = open(find('qwen3'))
  const graph = cachedGraph(network)
  network.source.close()
  expect(graph.inputs.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
    ['input_ids', 'int64', ['batch_size', 'sequence_length']],
    ['attention_mask', 'int64', ['batch_size', 'total_sequence_length']],
    ['position_ids', 'int64', ['batch_size', 'sequence_length']],
    ...[0, 1].flatMap((block) =>
      ['key', 'value'].map((kind) => [
        `past_key_values.${block}.${kind}`,
        'float32',
        ['batch_size', 2, 'past_sequence_length', 16],
      ]),
    ),
  ])
  expect(graph.outputs.map(({ name, shape }) => [name, shape])).toEqual([
    ['logits', ['batch_size', 'sequence_length', 40]],
    ...[0, 1].flatMap((block) =>
      ['key', 'value'].map((kind) => [`present.${block}.${kind}`, ['batch_size', 2, 'total_sequence_length', 16]]),
    ),
  ])
})

test('weights keep their names', () => {
  for (const name of ['plain', 'gpt2', 'qwen2_moe']) {
    const network = open(find(name))
    network.source.close()
    const sources = (graph: Graph | null) =>
      [...(graph?.initializers.values() ?? [])].flatMap(({ data }) => ('source' in data ? [data.source] : [])).sort()
    expect(sources(cachedGraph(network))).toEqual(sources(network.graph))
  }
})
