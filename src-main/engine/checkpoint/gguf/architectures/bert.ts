// general.architecture "bert": BERT, RoBERTa and DistilBERT as encoders (llama.cpp has no heads for masked words, and no
// pooler). A file without segment embeddings opens as DistilBERT.      llama.cpp: src/models/bert.cpp, conversion/bert.py
import type { Settings } from '../../../graph/families/config.ts'
import type { Json, JsonMap } from '../../json.ts'
import { checkActivation, mostBlocks } from './decoder.ts'
import { defineArchitecture, type GgufContents, type TensorRule } from './define.ts'
import { blocks, both, fused, same } from './names.ts'
import { prefixOf } from './prefix.ts'
import { MetadataReader, specialTokens } from './reading.ts'
import { MetadataWriter } from './writing.ts'

const many = 1 << 24

/** Names of the two layouts; the rest of a block is the same. */
const layouts = {
  bert: {
    prefixes: ['', 'bert.', 'roberta.'],
    block: (i: number) => `encoder.layer.${i}`,
    parts: {
      attn_q: 'attention.self.query',
      attn_k: 'attention.self.key',
      attn_v: 'attention.self.value',
      attn_output: 'attention.output.dense',
      attn_output_norm: 'attention.output.LayerNorm',
      ffn_up: 'intermediate.dense',
      ffn_down: 'output.dense',
      layer_output_norm: 'output.LayerNorm',
    },
    fields: {
      depth: 'num_hidden_layers',
      width: 'hidden_size',
      heads: 'num_attention_heads',
      inner: 'intermediate_size',
      activation: 'hidden_act',
    },
  },
  distilbert: {
    prefixes: ['', 'distilbert.'],
    block: (i: number) => `transformer.layer.${i}`,
    parts: {
      attn_q: 'attention.q_lin',
      attn_k: 'attention.k_lin',
      attn_v: 'attention.v_lin',
      attn_output: 'attention.out_lin',
      attn_output_norm: 'sa_layer_norm',
      ffn_up: 'ffn.lin1',
      ffn_down: 'ffn.lin2',
      layer_output_norm: 'output_layer_norm',
    },
    fields: { depth: 'n_layers', width: 'dim', heads: 'n_heads', inner: 'hidden_dim', activation: 'activation' },
  },
}

const layoutOf = (config: Settings) =>
  config.text('model_type', 'bert') === 'distilbert' ? layouts.distilbert : layouts.bert

/** RoBERTa counts positions from the padding token on: rows of the table that no text reaches. */
const skipOf = (config: Settings): number =>
  /^(xlm-)?roberta$/.test(config.text('model_type', 'bert'))
    ? 1 + config.integer('pad_token_id', { min: 0, max: many }, 1)
    : 0

function configOf(contents: GgufContents): JsonMap {
  const reader = new MetadataReader(contents, 'bert')
  const segments = reader.hasTensor('token_types.weight') ? (reader.shapeOf('token_types.weight', 2)[0] ?? 0) : 0
  const [type, fields, name] =
    segments > 0
      ? (['bert', layouts.bert.fields, 'BertModel'] as const)
      : (['distilbert', layouts.distilbert.fields, 'DistilBertModel'] as const)
  return new Map<string, Json>([
    ['model_type', type],
    ['architectures', [name]],
    ['vocab_size', reader.shapeOf('token_embd.weight', 2)[0] ?? 0],
    [fields.width, reader.integer('embedding_length', { min: 1, max: many })],
    [fields.depth, reader.integer('block_count', { min: 1, max: mostBlocks })],
    [fields.heads, reader.integer('attention.head_count', { min: 1, max: 65536 })],
    [fields.inner, reader.integer('feed_forward_length', { min: 1, max: many })],
    [fields.activation, 'gelu'],
    ['max_position_embeddings', reader.shapeOf('position_embd.weight', 2)[0] ?? 0],
    ['layer_norm_eps', reader.number('attention.layer_norm_epsilon', 0)],
    ...(segments > 0 ? ([['type_vocab_size', segments]] as const) : []),
    ...specialTokens(contents),
  ])
}

export const bert = defineArchitecture({
  id: 'bert',
  title: 'BERT',
  modelTypes: ['bert', 'roberta', 'xlm-roberta', 'distilbert'],
  configOf,
  metadataOf(config) {
    const { fields } = layoutOf(config)
    if (config.texts('architectures')?.some((name) => /ForSequenceClassification$/.test(name)))
      throw config.unsupported('architectures', 'llama.cpp would leave out the layer between encoder and classes')
    checkActivation(config, fields.activation, ['gelu', 'gelu_new', 'gelu_fast', 'gelu_pytorch_tanh'])
    const integer = (field: string, usual: number) => config.integer(field, { min: 1, max: many }, usual)
    const writer = new MetadataWriter('bert')
    writer.integer('block_count', config.integer(fields.depth, { min: 1, max: mostBlocks }, 12))
    writer.integer('context_length', integer('max_position_embeddings', 512) - skipOf(config))
    writer.integer('embedding_length', integer(fields.width, 768))
    writer.integer('feed_forward_length', integer(fields.inner, 3072))
    writer.integer('attention.head_count', config.integer(fields.heads, { min: 1, max: 65536 }, 12))
    writer.float('attention.layer_norm_epsilon', config.number('layer_norm_eps', 0, 1e-12))
    writer.flag('attention.causal', false)
    // llama.cpp looks for this number among the tokenizer's.
    const segments = fields === layouts.distilbert.fields ? 1 : integer('type_vocab_size', 2)
    return new Map([...writer.values, ['tokenizer.ggml.token_type_count', { type: 'uint32', value: segments }]])
  },
  rules(config, names) {
    const { prefixes, block: blockOf, parts, fields } = layoutOf(config)
    const body = prefixOf(names, prefixes, 'embeddings.word_embeddings.weight')
    const skip = skipOf(config)
    const positions = same('position_embd.weight', `${body}embeddings.position_embeddings.weight`)
    const depth = config.integer(fields.depth, { min: 1, max: mostBlocks }, 12)
    const inner = blocks(depth, (i): TensorRule[] => {
      const layer = `${body}${blockOf(i)}`
      const [q, k, v] = [parts.attn_q, parts.attn_k, parts.attn_v].map((name) => ({ name: `${layer}.${name}` }))
      return [
        ...Object.entries(parts).flatMap(([gguf, name]) => both(`blk.${i}.${gguf}`, `${layer}.${name}`)),
        ...(q && k && v ? fused(`blk.${i}.attn_qkv`, [q, k, v]) : []),
      ]
    })
    return [
      same('token_embd.weight', `${body}embeddings.word_embeddings.weight`),
      same('token_types.weight', `${body}embeddings.token_type_embeddings.weight`),
      skip > 0 ? { ...positions, skip } : positions,
      ...both('token_embd_norm', `${body}embeddings.LayerNorm`),
      ...inner,
    ]
  },
})
