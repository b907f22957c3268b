// BERT, RoBERTa and their kin share one layout of tensors; MiniLM is a small BERT. DistilBERT has its own (distilbert.ts).
import { readActivation } from './activation.ts'
import { GraphBuilder } from './builder.ts'
import type { Settings } from './config.ts'
import { type Beside, type Family, defineFamily } from './define.ts'
import type { EncoderSpec } from './encoder.ts'
import { findPrefix } from './prefix.ts'
import { buildTextModel, type TextHead } from './text-heads.ts'

const many = 1 << 24
const probe = 'embeddings.word_embeddings.weight'

/** Settings that would make another graph. */
function refuse(config: Settings): void {
  for (const field of ['is_decoder', 'add_cross_attention']) {
    if (config.flag(field, false)) throw config.unsupported(field, 'only encoders can be run')
  }
  if (config.text('position_embedding_type', 'absolute') !== 'absolute') {
    throw config.unsupported('position_embedding_type', 'only absolute positions are supported')
  }
}

function readSpec(config: Settings, family: string, prefix: string, roberta: boolean): EncoderSpec {
  refuse(config)
  const width = config.integer('hidden_size', { min: 1, max: many }, 768)
  const heads = config.integer('num_attention_heads', { min: 1, max: 65536 }, 12)
  if (width % heads !== 0) throw config.wrong('num_attention_heads', `a divisor of hidden_size (${width})`)
  const segments = config.integer('type_vocab_size', { min: 1, max: many }, 2)
  return {
    family,
    file: config.file,
    vocabulary: config.integer('vocab_size', { min: 1, max: many }, roberta ? 50265 : 30522),
    positions: config.integer('max_position_embeddings', { min: 1, max: many }, 512),
    segments,
    segmentInput: !roberta,
    countedPast: roberta ? config.integer('pad_token_id', { min: 0, max: many }, 1) : null,
    width,
    inner: config.integer('intermediate_size', { min: 1, max: many }, 3072),
    depth: config.integer('num_hidden_layers', { min: 1, max: 4096 }, 12),
    heads,
    epsilon: config.number('layer_norm_eps', 0, 1e-12),
    activation: readActivation(config, 'hidden_act', 'gelu'),
    order: 'post',
    qkvBias: true,
    embeddings: {
      word: `${prefix}embeddings.word_embeddings`,
      position: `${prefix}embeddings.position_embeddings`,
      segment: `${prefix}embeddings.token_type_embeddings`,
      norm: `${prefix}embeddings.LayerNorm`,
    },
    layer(index) {
      const name = `${prefix}encoder.layer.${index}`
      const names = {
        q: `${name}.attention.self.query`,
        k: `${name}.attention.self.key`,
        v: `${name}.attention.self.value`,
        o: `${name}.attention.output.dense`,
        attentionNorm: `${name}.attention.output.LayerNorm`,
        up: `${name}.intermediate.dense`,
        down: `${name}.output.dense`,
        feedNorm: `${name}.output.LayerNorm`,
      }
      return { name, names }
    },
  }
}

interface Bench {
  b: GraphBuilder
  spec: EncoderSpec
  config: Settings
  prefix: string // of the body's tensors
}
type HeadOf = (bench: Bench) => TextHead

const maskedHead =
  (dense: string, norm: string, decoder: string, biases: string[]): HeadOf =>
  ({ b, spec, config }) => ({
    task: 'masked-lm',
    dense,
    norm,
    activation: spec.activation,
    weight: config.flag('tie_word_embeddings', true) ? null : `${decoder}.weight`,
    // Which of the two names the bias goes by depends on the version that saved it.
    bias: biases.find((name) => b.has(name)) ?? biases[0] ?? '',
  })

export const classesIn = (config: Settings): number =>
  config.count('id2label', config.integer('num_labels', { min: 1, max: many }, 2))

interface Layout {
  id: string
  title: string
  prefix: string
  classes: string // 'Bert' of 'BertForMaskedLM'
  roberta: boolean
  masked: HeadOf
  classifier: HeadOf
}

function encoderFamily({ id, title, prefix, classes, roberta, masked, classifier }: Layout): Family {
  const [features, words, label] = [`${classes}Model`, `${classes}ForMaskedLM`, `${classes}ForSequenceClassification`]
  const pretrained = `${classes}ForPreTraining`
  return defineFamily({
    id,
    title,
    architectures: [features, words, label, ...(roberta ? [] : [pretrained])],
    build(config, tensors, beside: Beside = {}) {
      const b = new GraphBuilder(tensors, config.file)
      const own = findPrefix(tensors, [`${prefix}.`, ''], probe)
      const spec = readSpec(config, id, own, roberta)
      const bench = { b, spec, config, prefix: own }
      const chosen = (config.texts('architectures') ?? []).find((name) =>
        [features, words, label, pretrained].includes(name),
      )
      const pooler = `${own}pooler.dense`
      let head: TextHead = {
        task: 'feature-extraction',
        pooler: b.has(`${pooler}.weight`) ? pooler : null,
        sentence: beside.sentence ?? null,
      }
      // A sentence-transformers folder is made for its embedding, whatever class its body was saved as.
      if (!beside.sentence) {
        if (chosen === words || chosen === pretrained) head = masked(bench)
        if (chosen === label) head = classifier(bench)
      }
      return buildTextModel(b, spec, head)
    },
  })
}

export const bert = encoderFamily({
  id: 'bert',
  title: 'BERT',
  prefix: 'bert',
  classes: 'Bert',
  roberta: false,
  masked: maskedHead(
    'cls.predictions.transform.dense',
    'cls.predictions.transform.LayerNorm',
    'cls.predictions.decoder',
    ['cls.predictions.bias', 'cls.predictions.decoder.bias'],
  ),
  classifier: ({ config, prefix }) => ({
    task: 'sequence-classification',
    dense: `${prefix}pooler.dense`,
    activation: 'tanh',
    out: 'classifier',
    classes: classesIn(config),
  }),
})

const robertaLike = (id: string, title: string, classes: string): Family =>
  encoderFamily({
    id,
    title,
    prefix: 'roberta',
    classes,
    roberta: true,
    masked: maskedHead('lm_head.dense', 'lm_head.layer_norm', 'lm_head.decoder', [
      'lm_head.bias',
      'lm_head.decoder.bias',
    ]),
    classifier: ({ config }) => ({
      task: 'sequence-classification',
      dense: 'classifier.dense',
      activation: 'tanh',
      out: 'classifier.out_proj',
      classes: classesIn(config),
    }),
  })

export const roberta = robertaLike('roberta', 'RoBERTa', 'Roberta')
export const xlmRoberta = robertaLike('xlm-roberta', 'XLM-RoBERTa', 'XLMRoberta')
