// general.architecture "gemma2" and "gemma3".      llama.cpp: src/models/gemma2.cpp, gemma3.cpp, conversion/gemma.py
// Norm weights are stored as one plus Hugging Face's. The scale of the scores is not in the file: llama.cpp takes it from
// the head size, and in the 27B models (known by their depth) from width / heads.
import type { Settings } from '../../../graph/families/config.ts'
import type { JsonMap } from '../../json.ts'
import {
  checkActivation,
  contextOf,
  readDecoderConfig,
  readRotary,
  sizesOf,
  writeDecoder,
  writeRotary,
} from './decoder.ts'
import { type Architecture, defineArchitecture, type TensorRule } from './define.ts'
import { attentionRules, gatedRules, outerRules } from './llama.ts'
import { blocks, same } from './names.ts'
import { prefixOf } from './prefix.ts'
import { headNormRules } from './qwen.ts'
import type { MetadataReader } from './reading.ts'
import { scalingTables } from './rope.ts'
import type { MetadataWriter } from './writing.ts'

const many = 1 << 24

interface Kind {
  id: 'gemma2' | 'gemma3'
  title: string
  type: string
  architecture: string
  modelTypes: string[]
  period: number // every so many blocks one looks back on everything
  largest: number // depth of the model with the other scale
}

/** The settings of the language model: those of a model that also sees lie one level deeper. */
const textOf = (config: Settings): Settings => config.section('text_config') ?? config

const scalarOf = (kind: Kind, depth: number, width: number, heads: number, headSize: number): number =>
  depth === kind.largest ? Math.floor(width / heads) : headSize

const slides = (kind: Kind, block: number) => block % kind.period < kind.period - 1

/** Rotary base of the blocks with a window, by its newer or older name. */
function nearTheta(config: Settings): number {
  const newer = config.section('rope_parameters')?.section('sliding_attention')
  return newer ? newer.number('rope_theta', 1, 10000) : config.number('rope_local_base_freq', 1, 10000)
}

/** Which blocks have a window, where a file says so: a list of flags, or a period. */
function readPattern(reader: MetadataReader, kind: Kind, depth: number): boolean[] {
  const key = 'attention.sliding_window_pattern'
  const list = reader.contents.metadata.get(`${kind.id}.${key}`)
  if (list?.type === 'array') {
    if (list.of === 'string' || list.length < depth || list.length > 4096) throw reader.wrong(key, `${depth} flags`)
    return [...list.values()].slice(0, depth).map(Boolean)
  }
  const period = reader.integer(key, { min: 1, max: 4096 }, kind.period)
  return Array.from({ length: depth }, (_, block) => slides({ ...kind, period }, block))
}

/** Faults 'unsupported' where llama.cpp would compute something else. */
function check(config: Settings, kind: Kind): void {
  checkActivation(config, 'hidden_activation', ['gelu_pytorch_tanh', 'gelu_new', 'gelu_fast'])
  const { depth, width, heads, headSize } = sizesOf(config)
  const scalar = scalarOf(kind, depth, width, heads, headSize)
  if (config.number('query_pre_attn_scalar', 0, 256) !== scalar)
    throw config.unsupported('query_pre_attn_scalar', `llama.cpp takes ${scalar} for a model of this shape`)
  if (config.flag('attention_bias', false))
    throw config.unsupported('attention_bias', 'llama.cpp has no biases in this architecture')
  if (kind.id === 'gemma3' && config.has('attn_logit_softcapping'))
    throw config.unsupported('attn_logit_softcapping', 'llama.cpp has no cap on scores in this architecture')
}

function writeWindows(config: Settings, kind: Kind, writer: MetadataWriter): void {
  const { depth } = sizesOf(config)
  const types = config.texts('layer_types')
  const every = config.integer('sliding_window_pattern', { min: 1, max: 4096 }, kind.period)
  const window = config.has('sliding_window') ? config.integer('sliding_window', { min: 1, max: 2 ** 31 }) : null
  const own = Array.from({ length: depth }, (_, block) =>
    types ? types[block] === 'sliding_attention' : slides({ ...kind, period: every }, block),
  )
  if (window === null || !own.includes(true)) {
    if (kind.id === 'gemma2') throw config.unsupported('sliding_window', 'llama.cpp always has windows here')
    return
  }
  writer.integer('attention.sliding_window', window)
  if (own.some((each, block) => each !== slides(kind, block))) writer.flags('attention.sliding_window_pattern', own)
}

function configOf(kind: Kind): Architecture['configOf'] {
  return (contents) => {
    const { config, reader, sizes } = readDecoderConfig(contents, kind.id, kind)
    const { depth, width, heads, headSize } = sizes
    config.set('intermediate_size', reader.integer('feed_forward_length', { min: 1, max: many }))
    config.set('rms_norm_eps', reader.number('attention.layer_norm_rms_epsilon', 0))
    config.set('hidden_activation', 'gelu_pytorch_tanh').set('attention_bias', false)
    config.set('query_pre_attn_scalar', scalarOf(kind, depth, width, heads, headSize))
    // Capped with these values where a file of Gemma 2 does not say.
    const cap = (key: string, usual: number | null) => {
      const value = reader.has(key) ? reader.number(key, -1) : usual
      config.set(key, value === 0 ? null : value)
    }
    cap('attn_logit_softcapping', kind.id === 'gemma2' ? 50 : null)
    cap('final_logit_softcapping', kind.id === 'gemma2' ? 30 : null)
    readRotary(reader, config, headSize)
    readWindows(reader, config, kind, depth)
    return config
  }
}

function readWindows(reader: MetadataReader, config: JsonMap, kind: Kind, depth: number): void {
  const usual = kind.id === 'gemma2' ? 4096 : 0
  const window = reader.integer('attention.sliding_window', { min: 0, max: 2 ** 31 }, usual)
  const near = window > 0 ? readPattern(reader, kind, depth) : new Array<boolean>(depth).fill(false)
  config.set('sliding_window', window === 0 ? null : window)
  config.set(
    'layer_types',
    near.map((each) => (each ? 'sliding_attention' : 'full_attention')),
  )
  if (kind.id === 'gemma3') config.set('rope_local_base_freq', reader.number('rope.freq_base_swa', 1, 10000))
}

/** Norms of a block, with one more before and after each part than Llama has. */
const normRules = (block: string, layer: string): TensorRule[] => [
  same(`${block}.attn_norm.weight`, `${layer}.input_layernorm.weight`),
  same(`${block}.post_attention_norm.weight`, `${layer}.post_attention_layernorm.weight`),
  same(`${block}.ffn_norm.weight`, `${layer}.pre_feedforward_layernorm.weight`),
  same(`${block}.post_ffw_norm.weight`, `${layer}.post_feedforward_layernorm.weight`),
]

const plusOne = (rules: TensorRule[]): TensorRule[] =>
  rules.map((rule) => (/norm\.weight$/.test(rule.gguf) ? { ...rule, plus: 1 } : rule))

const define = (kind: Kind): Architecture =>
  defineArchitecture({
    id: kind.id,
    title: kind.title,
    modelTypes: kind.modelTypes,
    configOf: configOf(kind),
    metadataOf(whole) {
      const config = textOf(whole)
      check(config, kind)
      const context = contextOf(config)
      const writer = writeDecoder(config, kind.id, context, 'intermediate_size')
      writer.float('attention.layer_norm_rms_epsilon', config.number('rms_norm_eps', 0, 1e-6))
      writeRotary(config, writer, context, kind.id === 'gemma3' ? 1e6 : 1e4)
      if (kind.id === 'gemma3') writer.float('rope.freq_base_swa', nearTheta(config))
      writeWindows(config, kind, writer)
      for (const key of ['attn_logit_softcapping', 'final_logit_softcapping'])
        if (kind.id === 'gemma2' || config.has(key)) writer.float(key, config.has(key) ? config.number(key, 0) : 0)
      return writer.values
    },
    rules(whole, names) {
      const sizes = sizesOf(textOf(whole))
      const body = prefixOf(names, ['model', 'language_model.model', 'model.language_model'], '.embed_tokens.weight')
      const inner = blocks(sizes.depth, (i) => {
        const [block, layer] = [`blk.${i}`, `${body}.layers.${i}`]
        return [
          ...normRules(block, layer),
          ...attentionRules(block, layer, sizes, false),
          ...(kind.id === 'gemma3' ? headNormRules(block, layer) : []),
          ...gatedRules(block, `${layer}.mlp`),
        ]
      })
      const outer = outerRules.map((rule) => ({
        ...rule,
        parts: rule.parts.map(({ name }) => ({ name: name.replace(/^model\b/, body) })),
      }))
      return plusOne([...outer, ...inner])
    },
    tables: (whole) => scalingTables(textOf(whole), sizesOf(textOf(whole)).headSize),
  })

export const gemma2 = define({
  id: 'gemma2',
  title: 'Gemma 2',
  type: 'gemma2',
  architecture: 'Gemma2ForCausalLM',
  modelTypes: ['gemma2'],
  period: 2,
  largest: 46,
})

export const gemma3 = define({
  id: 'gemma3',
  title: 'Gemma 3',
  type: 'gemma3_text',
  architecture: 'Gemma3ForCausalLM',
  modelTypes: ['gemma3_text', 'gemma3'],
  period: 6,
  largest: 62,
})
