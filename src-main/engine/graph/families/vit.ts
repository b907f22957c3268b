// ViT and DeiT: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words"; Touvron et al. 2021, "Training data-efficient image
// transformers & distillation through attention". A distilled DeiT has a second token, whose own classifier is averaged
// with the first one's.
import { readActivation } from './activation.ts'
import { classesIn } from './bert.ts'
import { GraphBuilder } from './builder.ts'
import type { Settings } from './config.ts'
import { defineFamily, type BuiltModel, type Family } from './define.ts'
import { buildClassifier, buildPick, finishImageModel, floatOutput } from './image-heads.ts'
import { readImageShape } from './image-input.ts'
import { buildLinear } from './linear.ts'
import { buildActivation } from './activation.ts'
import { buildNorm } from './norm.ts'
import { findPrefix } from './prefix.ts'
import { buildTower, normOf, type TowerSpec } from './tower.ts'

const many = 1 << 24

function readSpec(config: Settings, prefix: string, distilled: boolean): TowerSpec {
  const width = config.integer('hidden_size', { min: 1, max: many }, 768)
  const heads = config.integer('num_attention_heads', { min: 1, max: 65536 }, 12)
  if (width % heads !== 0) throw config.wrong('num_attention_heads', `a divisor of hidden_size (${width})`)
  const token = (name: string) => ({ name: `${prefix}embeddings.${name}`, shape: [1, 1, width] })
  return {
    image: readImageShape(config, { image: 224, patch: 16 }),
    width,
    heads,
    inner: config.integer('intermediate_size', { min: 1, max: many }, 3072),
    depth: config.integer('num_hidden_layers', { min: 1, max: 4096 }, 12),
    epsilon: config.number('layer_norm_eps', 0, 1e-12),
    activation: readActivation(config, 'hidden_act', 'gelu'),
    order: 'pre',
    qkvBias: config.flag('qkv_bias', true),
    label: 'hidden',
    patches: { module: `${prefix}embeddings.patch_embeddings.projection`, bias: true },
    tokens: [token('cls_token'), ...(distilled ? [token('distillation_token')] : [])],
    positions: { name: `${prefix}embeddings.position_embeddings`, leading: [1] },
    before: null,
    layer(index) {
      const name = `${prefix}encoder.layer.${index}`
      const names = {
        q: `${name}.attention.attention.query`,
        k: `${name}.attention.attention.key`,
        v: `${name}.attention.attention.value`,
        o: `${name}.attention.output.dense`,
        attentionNorm: `${name}.layernorm_before`,
        up: `${name}.intermediate.dense`,
        down: `${name}.output.dense`,
        feedNorm: `${name}.layernorm_after`,
      }
      return { name, names }
    },
  }
}

type Head = 'features' | 'classes' | 'teacher'

function build(b: GraphBuilder, config: Settings, family: { id: string; prefix: string }, head: Head): BuiltModel {
  const { id, prefix } = family
  const spec = readSpec(config, prefix, id === 'deit')
  const { width } = spec
  const blocks: BuiltModel['blocks'] = []
  const { hidden, tokens } = buildTower(b, blocks, spec)
  const last = buildNorm(b, normOf(spec, `${prefix}layernorm`), hidden.at(-1) ?? '', 'hidden.last', null)
  const features = head === 'features'
  const shape = b.integers('states_shape', [-1, tokens, width])
  const states = b.op('Reshape', [last, shape], features ? 'last_hidden_state' : 'hidden.states')
  const classes = features ? null : classesIn(config)
  const common = { family: id, image: spec.image, width, heads: String(spec.heads), blocks, classes }
  if (classes === null) {
    const outputs = [floatOutput('last_hidden_state', ['batch', tokens, width])]
    const module = `${prefix}pooler.dense`
    if (b.has(`${module}.weight`)) {
      // The features are judged by the hidden states: nothing would tell how much the pooler matters.
      const first = buildPick(b, states, 0, 'hidden.first')
      const dense = buildLinear(
        b,
        { module, role: 'fc', rows: width, cols: width, bias: true, keep: true },
        first,
        null,
      )
      b.op(
        'Identity',
        [buildActivation(b, readActivation(config, 'pooler_act', 'tanh'), dense, module)],
        'pooler_output',
      )
      outputs.push(floatOutput('pooler_output', ['batch', width]))
    }
    return finishImageModel(b, { ...common, outputs })
  }
  const scores = (module: string, at: number) =>
    buildClassifier(b, module, classes, buildPick(b, states, at, `${module}.input`), width)
  if (head === 'teacher') {
    const sum = b.op('Add', [scores('cls_classifier', 0), scores('distillation_classifier', 1)], 'logits.sum')
    b.op('Mul', [sum, b.scalar('half', 0.5)], 'logits')
  } else b.op('Identity', [scores('classifier', 0)], 'logits')
  return finishImageModel(b, { ...common, outputs: [floatOutput('logits', ['batch', classes])] })
}

function visionFamily(id: 'vit' | 'deit', title: string, heads: ReadonlyMap<string, Head>): Family {
  return defineFamily({
    id,
    title,
    architectures: [...heads.keys()],
    build(config, tensors) {
      const b = new GraphBuilder(tensors, config.file)
      const prefix = findPrefix(tensors, [`${id}.`, ''], 'embeddings.cls_token')
      const chosen = (config.texts('architectures') ?? []).find((name) => heads.has(name)) ?? ''
      return build(b, config, { id, prefix }, heads.get(chosen) ?? 'features')
    },
  })
}

export const vit = visionFamily(
  'vit',
  'ViT',
  new Map([
    ['ViTForImageClassification', 'classes'],
    ['ViTModel', 'features'],
  ]),
)

export const deit = visionFamily(
  'deit',
  'DeiT',
  new Map([
    ['DeiTForImageClassification', 'classes'],
    ['DeiTForImageClassificationWithTeacher', 'teacher'],
    ['DeiTModel', 'features'],
  ]),
)
