// Every decoder that has reference logits, written as GGUF by its architecture's rules and opened again: the same tensors,
// bit for bit, and the same logits.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { architectureFor } from '../../../src-main/engine/checkpoint/gguf/architectures/registry.ts'
import { toFloat32 } from '../../../src-main/engine/checkpoint/convert.ts'
import { openGguf } from '../../../src-main/engine/checkpoint/gguf/source.ts'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { readFloat32 } from '../../../src-main/engine/checkpoint/weights.ts'
import { ggufFile } from '../../helpers/gguf.ts'
import { temporaryFolder } from '../checkpoint/temporary.ts'
import { familyCases, goldenCases, type GoldenCase, writeGoldenFolder } from '../families/golden.ts'
import { fail, largestDifference, logitsOf } from '../families/run.ts'
import { applied } from './apply.ts'

/** What llama.cpp does not compute, or computes otherwise, and why that is said. */
const refused: Record<string, RegExp> = {
  dynamic_long: /rope_type: llama.cpp has no position scaling "dynamic"/,
  dynamic_short: /rope_type: llama.cpp has no position scaling "dynamic"/,
  relu_deep: /hidden_act: llama.cpp computes silu here/,
  yarn_mscale: /truncate: llama.cpp always rounds/,
  gemma2: /query_pre_attn_scalar: llama.cpp takes 16 for a model of this shape/,
  gemma2_no_caps: /query_pre_attn_scalar: llama.cpp takes 16 for a model of this shape/,
  gpt2_bare_names: /activation_function: llama.cpp computes gelu_new here, not "gelu"/,
  gpt2_own_head: /activation_function: llama.cpp computes gelu_new here, not "relu"/,
  neox_sequential: /attention_bias: llama.cpp always has biases/,
  neox_tied_newer: /tie_word_embeddings: llama.cpp needs a head of its own/,
  qwen2_moe_some_dense: /norm_topk_prob: llama.cpp computes false/,
  qwen3_bias_tied_window: /attention_bias: llama.cpp has no biases/,
  qwen3_moe_plain_shares: /norm_topk_prob: llama.cpp computes true/,
}

const scalar = { query_pre_attn_scalar: 16 }
/** Settings changed to what llama.cpp can do, so that the rest of the case is tested. */
const changes: Record<string, Record<string, unknown>> = {
  yarn_mscale: {
    rope_scaling: { type: 'yarn', factor: 8, mscale: 0.7, mscale_all_dim: 1.2, original_max_position_embeddings: 16 },
  },
  gemma2: scalar,
  gemma3: scalar,
  gemma3_linear: scalar,
  gemma3_newer: scalar,
  gpt2_bare_names: { activation_function: 'gelu_new', scale_attn_by_inverse_layer_idx: false },
  gpt2_own_head: { activation_function: 'gelu_new', scale_attn_weights: true },
}
/** llama.cpp has no windows in these; the file's context is the window, and up to there the logits agree. */
const windows: Record<string, number> = {
  mistral_window: 5,
  phi3: 5,
  qwen2_window: 4,
  qwen2_layer_types: 4,
  mixtral_window_top1: 4,
}

const withArchitecture = [...goldenCases, ...familyCases].filter(
  ({ config }) => architectureFor(String(config.model_type)) !== undefined,
)

function viaGguf(golden: GoldenCase, change: Record<string, unknown> = {}): { original: Network; path: string } {
  const text = golden.config.text_config
  const nested = typeof text === 'object' ? { text_config: { ...text, ...scalar } } : {}
  const original = openNetwork(writeGoldenFolder(golden, 1, { ...nested, ...change }))
  const architecture = architectureFor(String(golden.config.model_type)) ?? fail('no architecture')
  const path = join(temporaryFolder(), `${golden.name}.gguf`)
  writeFileSync(path, ggufFile(applied(original, architecture)))
  return { original, path }
}

test('all families but OPT have an architecture', () => {
  const types = new Set([...goldenCases, ...familyCases].map(({ config }) => String(config.model_type)))
  expect([...types].filter((type) => !architectureFor(type))).toEqual(['opt'])
})

const runs = withArchitecture.filter(({ name }) => !(name in refused) || name in changes)

test.each(runs)('$name', async (golden) => {
  const { original, path } = viaGguf(golden, changes[golden.name])
  const network = openNetwork(path)
  expect(network.notices).toEqual([])
  const plain = (name: string) => name.replace(/^(language_model\.model|model\.language_model)\b/, 'model')
  const bare = golden.name === 'gpt2_bare_names' ? 'transformer.' : ''
  for (const [name, { shape, dtype }] of original.source.tensors) {
    const own = bare + plain(name)
    expect(network.source.tensors.get(own)?.shape, own).toEqual(shape)
    const exact = dtype === 'float32' && !/norm/.test(name) // 1 + w loses the last bits of some w
    if (exact) expect(network.source.read(own)).toEqual(original.source.read(name))
  }
  expect(network.source.tensors.size).toBe(original.source.tensors.size)
  const window = windows[golden.name]
  const ids = golden.ids.map((row) => row.slice(0, window))
  expect(largestDifference(await logitsOf(network, ids), await logitsOf(original, ids))).toBeLessThan(1e-5)
  if (window !== undefined) expect(network.head?.context).toBe(window)
  original.source.close()
  network.source.close()
})

test.each(withArchitecture.filter(({ name }) => name in refused))('$name is refused', (golden) => {
  expect(() => viaGguf(golden)).toThrow(refused[golden.name])
})

test.each(['gemma2', 'gemma3'])('norms of %s hold one more than in its folder', (name) => {
  const golden = withArchitecture.find((each) => each.name === name) ?? fail(name)
  const { original, path } = viaGguf(golden, changes[name])
  const raw = openGguf([path])
  const pairs = [
    ['output_norm.weight', 'model.norm.weight'],
    ['blk.1.post_ffw_norm.weight', 'model.layers.1.post_feedforward_layernorm.weight'],
  ] as const
  for (const [own, theirs] of pairs)
    expect(toFloat32(raw.read(own), 'float32')).toEqual(readFloat32(original, theirs).map((x) => x + 1))
  raw.close()
  original.source.close()
})
