// A checkpoint whose computation is unknown: its tensors can still be listed, scored without data and compressed.
import type { Role } from '../../../src-preload/contract/model.ts'
import { layerOf } from './layer.ts'
import type { Layer, TensorInfo, TensorSource } from './network.ts'

export const tensorsOnlyNotice =
  'Opened as tensors only: there is no graph, so nothing can be run. The layer table, data-free scores, weight-only ' +
  'compression and export as packed safetensors work; data, evaluation and export to ONNX do not.'

const roleByName: [RegExp, Role][] = [
  [/(^|\.)(embed_tokens|wte|word_embeddings|tok_embeddings)\.weight$/, 'embed'],
  [/(^|\.)(lm_head|output|embed_out)\.weight$/, 'head'],
  [/(^|\.)q_proj\.weight$/, 'q'],
  [/(^|\.)k_proj\.weight$/, 'k'],
  [/(^|\.)v_proj\.weight$/, 'v'],
  [/(^|\.)(qkv|c_attn|query_key_value|qkv_proj|in_proj)(\.|_)weight$/, 'qkv'],
  [/(^|\.)(o_proj|out_proj)\.weight$/, 'o'],
  [/(^|\.)gate_proj\.weight$/, 'gate'],
  [/(^|\.)up_proj\.weight$/, 'up'],
  [/(^|\.)down_proj\.weight$/, 'down'],
  // The same in GGUF files.
  [/^token_embd\.weight$/, 'embed'],
  [/\.attn_q\.weight$/, 'q'],
  [/\.attn_k\.weight$/, 'k'],
  [/\.attn_v\.weight$/, 'v'],
  [/\.attn_qkv\.weight$/, 'qkv'],
  [/\.attn_output\.weight$/, 'o'],
  [/\.ffn_gate(_exps|_shexp)?\.weight$/, 'gate'],
  [/\.ffn_up(_exps|_shexp)?\.weight$/, 'up'],
  [/\.ffn_down(_exps|_shexp)?\.weight$/, 'down'],
]

/** Role from a tensor's name and shape; 'other' where neither tells. */
export function guessRole({ name, shape }: Pick<TensorInfo, 'name' | 'shape'>): Role {
  if (/\.bias$/.test(name)) return 'bias'
  if (shape.length <= 1) return /(norm|ln|bn)[^.]*\.(weight|running_mean|running_var)$/i.test(name) ? 'norm' : 'other'
  const known = roleByName.find(([pattern]) => pattern.test(name))
  if (known) return known[1]
  if (shape.length >= 3) return shape.length >= 4 && shape[1] === 1 ? 'depthwise' : 'conv'
  return name.endsWith('.weight') ? 'linear' : 'other'
}

/** Layers of tensors that no graph uses, in file order. Names of the shape 'a.b.3.c' group by their first number. */
export function looseLayers(source: TensorSource, known: ReadonlySet<string> = new Set()): Layer[] {
  const layers: Layer[] = []
  for (const info of source.tensors.values()) {
    if (known.has(info.name)) continue
    const role = known.size > 0 ? 'other' : guessRole(info)
    const layer = layerOf(info, { role })
    layers.push(known.size > 0 || role === 'other' ? { ...layer, compressible: false } : layer)
  }
  return layers
}
