import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeSafetensors, type TensorToWrite } from '../../../src-main/engine/checkpoint/safetensors.ts'
import { type GoldenCase, goldenCases, goldenTensors } from '../../engine/families/golden.ts'
import { files, lfsPointer, type Make } from './make.ts'
import { model } from '../protobuf.ts'

const golden = goldenCases.find(({ name }) => name === 'plain') as GoldenCase
const weights = (change: (tensors: Map<string, TensorToWrite>) => void = () => {}) => {
  const tensors = goldenTensors(golden)
  change(tensors)
  return encodeSafetensors(tensors)
}
const good = weights()
const config = (change: Record<string, unknown> = {}) => JSON.stringify({ ...golden.config, ...change })
const withConfig = (text: string | Uint8Array, more?: (folder: string) => void): Make =>
  files({ 'config.json': text, 'model.safetensors': good }, more)
const set = (change: Record<string, unknown>): Make => withConfig(config(change))
const withWeights = (change: (tensors: Map<string, TensorToWrite>) => void): Make =>
  files({ 'config.json': config(), 'model.safetensors': weights(change) })

const half = (part: number) => {
  const tensors = [...goldenTensors(golden)].filter((_, index) => index % 2 === part)
  return { names: tensors.map(([name]) => name), bytes: encodeSafetensors(new Map(tensors)) }
}
const [first, second] = [half(0), half(1)]
const shardNames = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const
const index = (secondFile: string, extra: Record<string, string> = {}) =>
  JSON.stringify({
    weight_map: {
      ...Object.fromEntries(first.names.map((name) => [name, shardNames[0]])),
      ...Object.fromEntries(second.names.map((name) => [name, secondFile])),
      ...extra,
    },
  })
const sharded = (secondFile: string, more?: (folder: string) => void): Make =>
  files(
    { 'config.json': config(), 'model.safetensors.index.json': index(secondFile), [shardNames[0]]: first.bytes },
    more,
  )
/** A checkpoint in a folder of its own, with a file outside of it. */
const confined =
  (build: (folder: string, outside: string) => void): Make =>
  (base) => {
    const folder = join(base, 'checkpoint')
    mkdirSync(folder)
    const outside = join(base, 'outside.safetensors')
    writeFileSync(outside, good)
    writeFileSync(join(folder, 'config.json'), config())
    build(folder, outside)
    return folder
  }

export const folderCases: Record<string, Make> = {
  'HF01-good': set({}),
  'HF01-sharded': sharded(shardNames[1], (folder) => writeFileSync(join(folder, shardNames[1]), second.bytes)),
  'HF01-shards-without-index': files({
    'config.json': config(),
    [shardNames[0]]: first.bytes,
    [shardNames[1]]: second.bytes,
  }),
  'HF01-part-of-a-folder': (folder) => join(set({})(folder), 'model.safetensors'),
  'HF02-no-config': files({ 'model.safetensors': good }),
  'HF02-config-array': withConfig('[]'),
  'HF02-config-duplicate': withConfig('{"model_type":"llama","model_type":"mistral"}'),
  'HF02-config-deep': withConfig(`{"a":${'['.repeat(100_000)}`),
  'HF02-config-huge': withConfig(new Uint8Array(5_000_000).fill(0x20)),
  'HF02-config-nan': withConfig('{"rms_norm_eps":NaN}'),
  'HF02-config-proto': withConfig(config().replace('{', '{"__proto__":{"polluted":true},')),
  'HF03-unknown-family': set({ architectures: ['MambaForCausalLM'], model_type: 'mamba' }),
  'HF03-auto-map': set({ auto_map: { AutoModelForCausalLM: 'modeling_evil.EvilModel' }, trust_remote_code: true }),
  'HF03-already-quantized': set({ quantization_config: { quant_method: 'gptq', bits: 4 } }),
  'HF03-unknown-positions': set({ rope_scaling: { rope_type: 'spiral', factor: 2 } }),
  'HF03-unknown-activation': set({ hidden_act: 'xielu' }),
  'HF04-heads-zero': set({ num_attention_heads: 0 }),
  'HF04-heads-do-not-divide': set({ num_attention_heads: 5, num_key_value_heads: 5 }),
  'HF04-key-heads-do-not-divide': set({ num_key_value_heads: 3 }),
  'HF04-odd-head': set({ head_dim: 7 }),
  'HF04-layers-huge': set({ num_hidden_layers: 1_000_000_000 }),
  'HF04-more-layers-than-weights': set({ num_hidden_layers: 3 }),
  'HF04-width-fraction': set({ hidden_size: 32.5 }),
  'HF04-width-text': set({ hidden_size: '32' }),
  'HF04-other-width': set({ hidden_size: 64 }),
  'HF04-epsilon-zero': set({ rms_norm_eps: 0 }),
  'HF04-rope-factor-zero': set({ rope_scaling: { type: 'linear', factor: 0 } }),
  'HF04-rope-list': set({ rope_scaling: [1, 2] }),
  'HF04-longrope-length': set({ rope_scaling: { type: 'longrope', short_factor: [1], long_factor: [1] } }),
  'HF05-missing-tensor': withWeights((tensors) => tensors.delete('model.layers.1.mlp.up_proj.weight')),
  'HF05-missing-head': withWeights((tensors) => tensors.delete('lm_head.weight')),
  'HF05-integer-weight': withWeights((tensors) =>
    tensors.set('model.norm.weight', { dtype: 'int8', shape: [32], data: new Uint8Array(32) }),
  ),
  'HF05-extra-tensor': withWeights((tensors) =>
    tensors.set('model.layers.0.adapter.weight', { dtype: 'float32', shape: [2], data: new Uint8Array(8) }),
  ),
  'HF06-empty-folder': files({}),
  'HF06-only-pickle': files({ 'config.json': config(), 'pytorch_model.bin': 'PK\x03\x04' }),
  'HF06-two-onnx': files({ 'a.onnx': model(), 'b.onnx': model() }),
  'HF06-one-onnx': files({ 'a.onnx': model(), 'notes.txt': 'x' }),
  'HF06-not-there': (folder) => join(folder, 'nothing-here'),
  'HF06-lfs-weights': files({ 'config.json': config(), 'model.safetensors': lfsPointer }),
  'ST18-shard-above': sharded('../outside.safetensors'),
  'ST18-shard-absolute': sharded('/etc/passwd'),
  'ST18-shard-drive': sharded('C:x.safetensors'),
  'ST18-shard-backslash': sharded('sub\\x.safetensors'),
  'ST18-shard-nul': sharded('x.safetensors\0.txt'),
  'ST18-shard-missing': sharded(shardNames[1]),
  'ST18-shard-number-missing': files({ 'config.json': config(), [shardNames[0]]: first.bytes }),
  'ST18-index-wrong': files({
    'config.json': config(),
    'model.safetensors.index.json': index(shardNames[1], { 'model.ghost.weight': shardNames[0] }),
    [shardNames[0]]: first.bytes,
    [shardNames[1]]: second.bytes,
  }),
  'ST18-index-not-a-map': files({ 'config.json': config(), 'model.safetensors.index.json': '{"weight_map":[]}' }),
  'ST18-shard-link': confined((folder, outside) => {
    writeFileSync(join(folder, 'model.safetensors.index.json'), index(shardNames[1]))
    writeFileSync(join(folder, shardNames[0]), first.bytes)
    symlinkSync(outside, join(folder, shardNames[1]))
  }),
  'ST19-appledouble-beside': files({
    'config.json': config(),
    'model.safetensors': good,
    '._model.safetensors': Uint8Array.of(0, 5, 0x16, 7, 0, 2, 0, 0),
    '._config.json': Uint8Array.of(0, 5, 0x16, 7),
  }),
  'CT01-weights-link-out': confined((folder, outside) => symlinkSync(outside, join(folder, 'model.safetensors'))),
  'CT01-weights-hard-link': confined((folder, outside) => linkSync(outside, join(folder, 'model.safetensors'))),
  'CT01-weights-folder': confined((folder) => mkdirSync(join(folder, 'model.safetensors'))),
  'CT01-weights-link-loop': confined((folder) => symlinkSync('model.safetensors', join(folder, 'model.safetensors'))),
  'CT01-link-inside': confined((folder) => {
    writeFileSync(join(folder, 'data'), good)
    symlinkSync('data', join(folder, 'model.safetensors'))
  }),
  'FS04-process-folder': () => '/proc/self',
  'FS04-device-folder': () => '/dev',
  'FS04-device': () => '/dev/zero',
}
