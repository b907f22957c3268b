import { rmSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { listFolder } from '../../../src-main/engine/checkpoint/hf-folder.ts'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openHuggingFace } from '../../../src-main/engine/checkpoint/open-safetensors.ts'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import type { Graph } from '../../../src-main/engine/graph/ir.ts'
import { cutBefore, segment } from '../../../src-main/engine/graph/segment.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import type { TensorValue } from '../../../src-main/engine/runtime/types.ts'
import { goldenCases, writeGoldenFolder, type GoldenCase } from './golden.ts'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const open = (golden: GoldenCase, shards = 1, config: Record<string, unknown> = {}): Network => {
  const folder = writeGoldenFolder(golden, shards, config)
  folders.push(folder)
  return openHuggingFace(folder, listFolder(folder))
}

const fail = (notice: string): never => {
  throw new Error(notice)
}

async function logitsOf(network: Network, ids: number[][]): Promise<Float32Array> {
  const { graph } = network
  if (!graph) throw new Error(network.notices.join(' '))
  const session = await openSession(graph, weightReader(network), { device: 'cpu', threads: 1 }, fail)
  try {
    const dims = [ids.length, ids[0]?.length ?? 0]
    const data = BigInt64Array.from(ids.flat(), BigInt)
    const { logits } = await session.run({ input_ids: { dtype: 'int64', dims, data } })
    expect(logits?.dims).toEqual([...dims, network.head?.vocabulary])
    return logits?.data as Float32Array
  } finally {
    await session.release()
  }
}

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  expect(a.length).toBe(b.length)
  let largest = 0
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs((a[i] ?? NaN) - (b[i] ?? NaN)))
  return largest
}

test('the golden cases are all there', () => expect(goldenCases.length).toBe(16))

test.each(goldenCases)('$name gives the logits of the reference', async (golden) => {
  const network = open(golden)
  expect(network.task).toBe('causal-lm')
  expect(network.family).toBe(golden.config.model_type)
  expect(network.notices).toEqual([])
  expect(largestDifference(await logitsOf(network, golden.ids), golden.logits.flat())).toBeLessThan(1e-5)
  network.source.close()
})

const find = (name: string) => goldenCases.find((golden) => golden.name === name) ?? fail(`no case ${name}`)

// Each of these settings must change the result, or the comparison above would prove nothing about it.
test.each([
  ['linear', { rope_scaling: null }],
  ['dynamic_long', { rope_scaling: null }],
  ['llama3', { rope_scaling: null }],
  ['yarn', { rope_parameters: { rope_type: 'default', rope_theta: 10000 } }],
  ['yarn_mscale', { rope_scaling: { type: 'yarn', factor: 8, original_max_position_embeddings: 16 } }],
  ['longrope_long', { rope_scaling: null }],
  ['mistral_window', { sliding_window: null }],
  ['qwen2_window', { use_sliding_window: false }],
  ['qwen2_layer_types', { layer_types: ['full_attention', 'full_attention'] }],
])('%s differs without its setting', async (name, config) => {
  const golden = find(name)
  const network = open(golden, 1, config)
  expect(largestDifference(await logitsOf(network, golden.ids), golden.logits.flat())).toBeGreaterThan(1e-3)
  network.source.close()
})

test('shards with an index give the same result as one file', async () => {
  const golden = find('plain')
  const network = open(golden, 3)
  expect(network.files.filter((file) => file.endsWith('.safetensors'))).toHaveLength(3)
  expect(largestDifference(await logitsOf(network, golden.ids), golden.logits.flat())).toBeLessThan(1e-5)
  network.source.close()
})

test('batch and time are free: one token, and windows of any length, agree with the longer ones', async () => {
  const golden = find('mistral_window')
  const network = open(golden)
  const [first = []] = golden.ids
  const [expected = []] = golden.logits
  for (const time of [1, 4, 7]) {
    const logits = await logitsOf(network, [first.slice(0, time)])
    expect(largestDifference(logits, expected.slice(0, time * 40))).toBeLessThan(1e-5)
  }
  network.source.close()
})

test('the structure is what the bench shows and cuts at', () => {
  const network = open(find('biases_tied_head_dim'))
  expect(network.blocks.map(({ name, inputs }) => ({ name, inputs }))).toEqual([
    { name: 'model.layers.0', inputs: ['hidden.0'] },
    { name: 'model.layers.1', inputs: ['hidden.1'] },
  ])
  expect(network.blocks[1]?.layers).toContain('model.layers.1.self_attn.k_proj.bias')
  expect(network.head).toEqual({
    hidden: 'hidden.last',
    weight: 'model.embed_tokens.weight',
    vocabulary: 40,
    width: 32,
    context: 64,
    beginToken: 1,
  })
  const roles = network.layers.filter((layer) => layer.block === 0).map((layer) => layer.role)
  expect(roles).toEqual([
    'norm',
    'q',
    'bias',
    'k',
    'bias',
    'v',
    'bias',
    'o',
    'bias',
    'norm',
    'gate',
    'bias',
    'up',
    'bias',
    'down',
    'bias',
  ])
  expect(network.layers.find((layer) => layer.role === 'k')).toMatchObject({
    rows: 32,
    cols: 32,
    order: 'rows',
    op: 'Gemm',
    block: 0,
    dtype: 'float16',
    bytes: 2048,
    compressible: true,
  })
  // No copies: every weight is read from the checkpoint by its own name.
  for (const { name } of network.layers) expect(network.graph?.initializers.get(name)?.data).toEqual({ source: name })
  network.source.close()
})

test('block by block gives the same hidden states as the whole', async () => {
  const golden = find('llama3')
  const network = open(golden)
  const { graph } = network
  if (!graph) throw new Error('no graph')
  const read = weightReader(network)
  const ids = { dtype: 'int64' as const, dims: [2, 24], data: BigInt64Array.from(golden.ids.flat(), BigInt) }
  const run = async (part: Graph, feeds: Record<string, TensorValue>, output: string) => {
    const session = await openSession(part, read, { device: 'cpu', threads: 1 }, fail)
    try {
      return (await session.run(feeds))[output]
    } finally {
      await session.release()
    }
  }
  const first = segment(graph, { outputs: ['hidden.0'] })
  let hidden = await run(first, { input_ids: ids }, 'hidden.0')
  for (const [index, block] of network.blocks.entries()) {
    expect(cutBefore(graph, block)).toEqual(block.inputs)
    const output = `hidden.${index + 1}`
    const part = segment(graph, { inputs: block.inputs, outputs: [output] })
    const weights = [...part.initializers.values()].flatMap(({ data }) => ('source' in data ? [data.source] : []))
    expect(weights.sort()).toEqual([...block.layers].sort())
    hidden = await run(part, { input_ids: ids, [block.inputs[0] ?? '']: hidden ?? fail('no value') }, output)
  }
  const rest = segment(graph, { inputs: ['hidden.2'], outputs: ['logits'] })
  const logits = await run(rest, { input_ids: ids, 'hidden.2': hidden ?? fail('no value') }, 'logits')
  expect(largestDifference((logits?.data ?? []) as Float32Array, golden.logits.flat())).toBeLessThan(1e-5)
  network.source.close()
})

test('the graph does not grow with the context', () => {
  const inlineBytes = (context: number) => {
    const network = open(find('plain'), 1, { max_position_embeddings: context })
    network.source.close()
    const all = [...(network.graph?.initializers.values() ?? [])]
    return all.reduce((sum, { data }) => sum + ('inline' in data ? data.inline.length : 0), 0)
  }
  expect(inlineBytes(131072)).toBe(inlineBytes(64))
  expect(inlineBytes(64)).toBeLessThan(1024)
})
