import { readActivation } from './activation.ts'
import { classesIn } from './bert.ts'
import { GraphBuilder } from './builder.ts'
import type { Settings } from './config.ts'
import { defineFamily } from './define.ts'
import type { EncoderSpec } from './encoder.ts'
import { findPrefix } from './prefix.ts'
import { buildTextModel, type TextHead } from './text-heads.ts'

const many = 1 << 24

function readSpec(config: Settings, prefix: string): EncoderSpec {
  const width = config.integer('dim', { min: 1, max: many }, 768)
  const heads = config.integer('n_heads', { min: 1, max: 65536 }, 12)
  if (width % heads !== 0) throw config.wrong('n_heads', `a divisor of dim (${width})`)
  return {
    family: 'distilbert',
    file: config.file,
    vocabulary: config.integer('vocab_size', { min: 1, max: many }, 30522),
    positions: config.integer('max_position_embeddings', { min: 1, max: many }, 512),
    segments: 0,
    segmentInput: false,
    countedPast: null,
    width,
    inner: config.integer('hidden_dim', { min: 1, max: many }, 4 * width),
    depth: config.integer('n_layers', { min: 1, max: 4096 }, 6),
    heads,
    epsilon: 1e-12, // fixed in this family
    activation: readActivation(config, 'activation', 'gelu'),
    order: 'post',
    qkvBias: true,
    embeddings: {
      word: `${prefix}embeddings.word_embeddings`,
      position: `${prefix}embeddings.position_embeddings`, // sinusoidal ones are stored as well
      segment: '',
      norm: `${prefix}embeddings.LayerNorm`,
    },
    layer(index) {
      const name = `${prefix}transformer.layer.${index}`
      const names = {
        q: `${name}.attention.q_lin`,
        k: `${name}.attention.k_lin`,
        v: `${name}.attention.v_lin`,
        o: `${name}.attention.out_lin`,
        attentionNorm: `${name}.sa_layer_norm`,
        up: `${name}.ffn.lin1`,
        down: `${name}.ffn.lin2`,
        feedNorm: `${name}.output_layer_norm`,
      }
      return { name, names }
    },
  }
}

/** Sanh et al. 2019, "DistilBERT": BERT without segments and pooler, half as deep. */
export const distilbert = defineFamily({
  id: 'distilbert',
  title: 'DistilBERT',
  architectures: ['DistilBertModel', 'DistilBertForMaskedLM', 'DistilBertForSequenceClassification'],
  build(config, tensors, beside = {}) {
    const b = new GraphBuilder(tensors, config.file)
    const prefix = findPrefix(tensors, ['distilbert.', ''], 'embeddings.word_embeddings.weight')
    const spec = readSpec(config, prefix)
    const classes = config.texts('architectures') ?? []
    let head: TextHead = { task: 'feature-extraction', pooler: null, sentence: beside.sentence ?? null }
    if (!beside.sentence && classes.includes('DistilBertForMaskedLM')) {
      head = {
        task: 'masked-lm',
        dense: 'vocab_transform',
        norm: 'vocab_layer_norm',
        activation: spec.activation,
        weight: config.flag('tie_word_embeddings', true) ? null : 'vocab_projector.weight',
        bias: 'vocab_projector.bias',
      }
    } else if (!beside.sentence && classes.includes('DistilBertForSequenceClassification')) {
      head = {
        task: 'sequence-classification',
        dense: 'pre_classifier',
        activation: 'relu',
        out: 'classifier',
        classes: classesIn(config),
      }
    }
    return buildTextModel(b, spec, head)
  },
})
