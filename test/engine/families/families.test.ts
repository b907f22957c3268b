import { rmSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { familyCases, writeGoldenFolder, type GoldenCase } from './golden.ts'
import { fail, largestDifference, logitsOf, openPath } from './run.ts'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const open = (golden: GoldenCase, config: Record<string, unknown> = {}): Network => {
  const folder = writeGoldenFolder(golden, 1, config)
  folders.push(folder)
  return openPath(folder)
}
const find = (name: string) => familyCases.find((golden) => golden.name === name) ?? fail(`no case ${name}`)
const difference = async (golden: GoldenCase, network: Network) =>
  largestDifference(await logitsOf(network, golden.ids), golden.logits.flat())

test('the golden cases are all there', () => expect(familyCases.length).toBe(28))

test.each(familyCases)('$name gives the logits of the reference', async (golden) => {
  const network = open(golden)
  expect(network.notices).toEqual([])
  expect(network.task).toBe('causal-lm')
  expect(network.family).toBe(golden.config.model_type)
  expect(await difference(golden, network)).toBeLessThan(5e-5)
  expect(network.layers.map((layer) => layer.name).sort()).toEqual(Object.keys(golden.tensors).sort())
  network.source.close()
})

// Each of these settings must change the result, or the comparison above would prove nothing about it.
test.each([
  ['qwen3_bias_tied_window', { use_sliding_window: false }],
  ['mixtral', { num_experts_per_tok: 1 }],
  ['mixtral_window_top1', { sliding_window: null }],
  ['qwen2_moe', { norm_topk_prob: true }],
  ['qwen3_moe', { norm_topk_prob: false }],
  ['gemma2', { attn_logit_softcapping: null }],
  ['gemma2', { final_logit_softcapping: null }],
  ['gemma2', { query_pre_attn_scalar: 16 }],
  ['gemma2', { layer_types: ['full_attention', 'sliding_attention'] }],
  ['gemma2', { sliding_window: 4 }],
  ['gemma3', { sliding_window_pattern: 2 }],
  ['gemma3', { rope_local_base_freq: 1000 }],
  ['gemma3', { rope_theta: 1000 }],
  ['gemma3_linear', { rope_scaling: null }],
  ['phi3', { sliding_window: null }],
  ['phi3_longrope_long', { rope_scaling: null }],
  ['phi3_longrope_short', { original_max_position_embeddings: 8 }],
  ['phi3_partial', { partial_rotary_factor: 1, rope_scaling: null }],
  ['gpt2', { activation_function: 'gelu' }],
  ['gpt2_bare_names', { scale_attn_by_inverse_layer_idx: false }],
  ['gpt2_own_head', { scale_attn_weights: true }],
  ['neox', { use_parallel_residual: false }],
  ['neox', { rotary_pct: 0.5 }],
  ['neox', { hidden_act: 'gelu_fast' }],
  ['neox_sequential', { rotary_emb_base: 10000 }],
  ['opt', { activation_function: 'gelu' }],
])('%s differs with %j', async (name, config) => {
  const network = open(find(name), config)
  expect(await difference(find(name), network)).toBeGreaterThan(1e-4)
  network.source.close()
})

test('longrope by its first name is the same', async () => {
  const golden = find('phi3_longrope_long')
  const scaling = golden.config.rope_scaling as Record<string, unknown>
  const network = open(golden, { rope_scaling: { ...scaling, type: 'su' } })
  expect(await difference(golden, network)).toBeLessThan(5e-5)
  network.source.close()
})

test.each([
  ['gpt2', { add_cross_attention: true }, 'add_cross_attention'],
  ['gpt2', { activation_function: 'mish' }, 'activation_function: the activation "mish"'],
  ['opt', { layer_norm_elementwise_affine: false }, 'layer_norm_elementwise_affine'],
  ['gemma3', { use_bidirectional_attention: true }, 'use_bidirectional_attention'],
  ['qwen3_moe', { use_sliding_window: true }, 'use_sliding_window'],
  ['qwen3', { rope_scaling: { type: 'spiral' } }, 'rope_type'],
])('%s with %j opens as tensors only and says why', (name, config, reason) => {
  const network = open(find(name), config)
  network.source.close()
  expect(network.graph).toBeNull()
  expect(network.notices[0]).toContain(reason)
  expect(network.layers.some((layer) => layer.compressible)).toBe(true)
})

test.each([
  ['gpt2', { n_head: 5 }, 'n_head'],
  ['neox', { rotary_pct: 0.1 }, 'rotary_pct'],
  ['mixtral', { num_experts_per_tok: 5 }, 'num_experts_per_tok'],
  ['gemma3_seeing', { text_config: null }, 'text_config'],
  ['qwen2_moe', { mlp_only_layers: [-1] }, 'mlp_only_layers'],
])('%s with %j is refused', (name, config, field) => {
  expect(() => open(find(name), config)).toThrow(field)
})

test('a configuration that claims millions of experts costs nothing', () => {
  const before = process.memoryUsage().heapUsed
  expect(() => open(find('qwen3_moe'), { num_experts: 4096, num_hidden_layers: 4096 })).toThrow('configuration asks')
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 << 20)
})

test('masks that old checkpoints store are nothing to wonder at', () => {
  const golden = find('gpt2')
  const buffers = { 'transformer.h.0.attn.bias': [1, 1, 24, 24], 'transformer.h.0.attn.masked_bias': [1] }
  const network = open({ ...golden, tensors: { ...golden.tensors, ...buffers } })
  network.source.close()
  expect(network.notices).toEqual([])
})

test('experts are layers of their own and know which they are', () => {
  const network = open(find('qwen2_moe'))
  network.source.close()
  const experts = network.layers.filter((layer) => layer.expert === 4 && layer.block === 1)
  expect(experts.map(({ role, name }) => [role, name])).toEqual([
    ['gate', 'model.layers.1.mlp.experts.4.gate_proj.weight'],
    ['up', 'model.layers.1.mlp.experts.4.up_proj.weight'],
    ['down', 'model.layers.1.mlp.experts.4.down_proj.weight'],
  ])
  const routers = network.layers.filter((layer) => /mlp\.(gate|shared_expert_gate)\./.test(layer.name))
  expect(routers).toHaveLength(4)
  expect(routers.some((layer) => layer.compressible)).toBe(false)
  expect(network.card.experts).toBe('6 and a shared one, 2 for each token')
})

test('fused layers are one layer each; those of GPT-2 lie in columns', () => {
  const roles = (name: string) => {
    const network = open(find(name))
    network.source.close()
    return network.layers.filter(({ role, block }) => block === 0 && role !== 'norm' && role !== 'bias')
  }
  expect(roles('phi3').map(({ role }) => role)).toEqual(['qkv', 'o', 'up', 'down'])
  expect(roles('neox').map(({ role }) => role)).toEqual(['qkv', 'o', 'up', 'down'])
  const [qkv] = roles('gpt2')
  expect(qkv).toMatchObject({ role: 'qkv', order: 'cols', shape: [32, 96], rows: 96, cols: 32 })
})

test('what the configuration does not mention is what the published class takes', () => {
  const { config, ...golden } = find('gemma2')
  const without = (fields: string[]) =>
    Object.fromEntries(Object.entries(config).filter(([key]) => !fields.includes(key)))
  const network = open({ ...golden, config: without(['final_logit_softcapping', 'sliding_window', 'bos_token_id']) })
  network.source.close()
  expect(network.head).toMatchObject({ softCap: 30, beginToken: 2 })
  expect(network.card['sliding window']).toBe('4096, none')
  const moe = find('qwen3_moe').config
  const { num_experts, ...others } = moe
  const newer = open({ ...find('qwen3_moe'), config: { ...others, num_local_experts: num_experts } })
  newer.source.close()
  expect(newer.graph).not.toBeNull()
})

test('the head tells how logits are capped and how wide it is', () => {
  const head = (name: string) => {
    const network = open(find(name))
    network.source.close()
    return network.head
  }
  expect(head('gemma2')).toMatchObject({ softCap: 3, beginToken: 2, weight: 'model.embed_tokens.weight' })
  expect(head('gemma2_no_caps')).not.toHaveProperty('softCap')
  expect(head('opt_after_projected')).toMatchObject({ width: 24, context: 20 })
})
