// The towers of CLIP and SigLIP. Radford et al. 2021, "Learning Transferable Visual Models From Natural Language
// Supervision", section 2.4; Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training".
import { readActivation } from './activation.ts'
import type { Settings } from './config.ts'
import { readImageShape } from './image-input.ts'
import type { TowerSpec } from './tower.ts'
import type { LayerNames } from './transformer.ts'

const many = 1 << 24

/** Module paths of a layer, the same in both towers. */
export function clipLayer(prefix: string, index: number): { name: string; names: LayerNames } {
  const name = `${prefix}encoder.layers.${index}`
  const names = {
    q: `${name}.self_attn.q_proj`,
    k: `${name}.self_attn.k_proj`,
    v: `${name}.self_attn.v_proj`,
    o: `${name}.self_attn.out_proj`,
    attentionNorm: `${name}.layer_norm1`,
    up: `${name}.mlp.fc1`,
    down: `${name}.mlp.fc2`,
    feedNorm: `${name}.layer_norm2`,
  }
  return { name, names }
}

export interface TowerDefaults {
  width: number
  inner: number
  depth: number
  heads: number
  activation: string
  epsilon: number
}

/** Sizes that both towers read from their own section of the configuration. */
export function readTowerSizes(config: Settings, defaults: TowerDefaults) {
  const width = config.integer('hidden_size', { min: 1, max: many }, defaults.width)
  const heads = config.integer('num_attention_heads', { min: 1, max: 65536 }, defaults.heads)
  if (width % heads !== 0) throw config.wrong('num_attention_heads', `a divisor of hidden_size (${width})`)
  return {
    width,
    heads,
    inner: config.integer('intermediate_size', { min: 1, max: many }, defaults.inner),
    depth: config.integer('num_hidden_layers', { min: 1, max: 4096 }, defaults.depth),
    epsilon: config.number('layer_norm_eps', 0, defaults.epsilon),
    activation: readActivation(config, 'hidden_act', defaults.activation),
    order: 'pre',
    qkvBias: true,
  } as const
}

/** The vision tower under `prefix`. SigLIP's has no class token and no norm in front. */
export function readVisionTower(config: Settings, prefix: string): TowerSpec {
  const siglip = config.text('model_type', 'clip_vision_model').startsWith('siglip')
  const sizes = readTowerSizes(config, {
    width: 768,
    inner: 3072,
    depth: 12,
    heads: 12,
    activation: siglip ? 'gelu_pytorch_tanh' : 'quick_gelu',
    epsilon: siglip ? 1e-6 : 1e-5,
  })
  return {
    ...sizes,
    image: readImageShape(config, { image: 224, patch: siglip ? 16 : 32 }),
    label: 'image.hidden',
    patches: { module: `${prefix}embeddings.patch_embedding`, bias: siglip },
    tokens: siglip ? [] : [{ name: `${prefix}embeddings.class_embedding`, shape: [sizes.width] }],
    positions: { name: `${prefix}embeddings.position_embedding.weight`, leading: [] },
    before: siglip ? null : `${prefix}pre_layrnorm`, // spelt so in every checkpoint
    layer: (index) => clipLayer(prefix, index),
  }
}
