// What the relatives of Llama have in common: the fields of their configurations and the names of their tensors.
import type { Attention } from './attention.ts'
import { type Activation, readActivation } from './activation.ts'
import type { BlockSpec } from './block.ts'
import type { Settings } from './config.ts'
import type { DecoderSpec } from './decoder.ts'
import type { Linear } from './linear.ts'
import type { GatedMlp, Mlp } from './mlp.ts'
import type { Norm } from './norm.ts'
import type { Rope } from './rope.ts'

export const many = 1 << 24

export interface LlamaShape {
  name: string
  file: string
  vocabulary: number
  width: number
  inner: number // width of the MLP
  depth: number // blocks
  heads: number
  keyHeads: number
  headSize: number
  epsilon: number
  activation: Activation
  context: number
  beginToken: number | null
  tied: boolean
}

/** What a family takes where its configuration says nothing. */
export interface ShapeDefaults {
  fields?: Readonly<Record<string, number>>
  tied?: boolean
  activation?: { field: string; fallback: string }
}

/** Faults 'bad-input' and 'unsupported' name the field. */
export function readShape(config: Settings, family: string, defaults: ShapeDefaults = {}): LlamaShape {
  const { fields = {}, activation = { field: 'hidden_act', fallback: 'silu' } } = defaults
  const count = (field: string, max = many, fallback = fields[field]) =>
    config.integer(field, { min: 1, max }, fallback)
  const width = count('hidden_size')
  const heads = count('num_attention_heads', 65536)
  const keyHeads = count('num_key_value_heads', heads, fields['num_key_value_heads'] ?? heads)
  if (heads % keyHeads !== 0) throw config.wrong('num_key_value_heads', `a divisor of num_attention_heads (${heads})`)
  const givenSize = fields['head_dim']
  if (!config.has('head_dim') && givenSize === undefined && width % heads !== 0) {
    throw config.wrong('num_attention_heads', `a divisor of hidden_size (${width}) where there is no head_dim`)
  }
  const headSize = config.integer('head_dim', { min: 2, max: 65536 }, givenSize ?? width / heads)
  if (headSize % 2 !== 0) throw config.wrong('head_dim', 'an even number: rotary positions turn pairs')
  return {
    name: family,
    file: config.file,
    vocabulary: count('vocab_size'),
    width,
    inner: count('intermediate_size'),
    depth: count('num_hidden_layers', 4096),
    heads,
    keyHeads,
    headSize,
    epsilon: config.number('rms_norm_eps', 0, fields['rms_norm_eps'] ?? 1e-6),
    activation: readActivation(config, activation.field, activation.fallback),
    context: count('max_position_embeddings', 2 ** 31, fields['max_position_embeddings'] ?? 2048),
    beginToken: readBeginToken(config, fields['bos_token_id']),
    tied: config.flag('tie_word_embeddings', defaults.tied ?? false),
  }
}

export const readBeginToken = (config: Settings, fallback?: number): number | null =>
  config.has('bos_token_id') || fallback !== undefined
    ? config.integer('bos_token_id', { min: 0, max: many }, fallback)
    : null

/** Windows of each block from `layer_types` (newer configurations), or null where the list is absent. */
export function readLayerTypes(config: Settings, depth: number, window: number | null): (number | null)[] | null {
  const types = config.texts('layer_types')
  if (types === null) return null
  if (types.length !== depth) throw config.wrong('layer_types', `a list of ${depth} texts`)
  return types.map((type) => {
    if (type === 'full_attention') return null
    if (type === 'sliding_attention' && window !== null) return window
    throw config.unsupported('layer_types', `${JSON.stringify(type.slice(0, 40))} is not supported here`)
  })
}

/** `sliding_window` where it is used at all. */
export const readWindow = (config: Settings, fallback?: number): number | null =>
  config.has('sliding_window') || fallback !== undefined
    ? config.integer('sliding_window', { min: 1, max: 2 ** 31 }, fallback)
    : null

export interface LlamaParts {
  names?: { body: string; head: string } // where the body lies (usually 'model'), and what stands before 'lm_head'
  rope: Rope | ((window: number | null) => Rope)
  windows?: readonly (number | null)[]
  biases?: { qkv?: boolean; o?: boolean; mlp?: boolean }
  norm?: Norm['kind']
  headNorms?: boolean // q and k are normalised per head
  scale?: number
  scoreCap?: number | null
  logitCap?: number | null
  embeddingScale?: number
  mlp?: (block: number, module: string) => Mlp
  input?: (self: string) => Attention['input']
  residual?: (module: string, norm: (name: string) => Norm) => BlockSpec['residual']
  card?: Record<string, string>
}

/** A decoder with Llama's tensor names, changed by `parts`. */
export function llamaSpec(shape: LlamaShape, parts: LlamaParts): DecoderSpec {
  const { width, headSize, heads, keyHeads, epsilon } = shape
  const { biases = {}, windows } = parts
  const model = parts.names?.body || 'model'
  const norm = (module: string, size = width): Norm => ({ kind: parts.norm ?? 'rms', module, size, epsilon })
  const block = (_: unknown, index: number): BlockSpec => {
    const module = `${model}.layers.${index}`
    const self = `${module}.self_attn`
    const window = windows?.[index] ?? null
    const linear = (name: string, role: Linear['role'], rows: number, bias = false): Linear => ({
      module: `${self}.${name}`,
      role,
      rows,
      cols: width,
      bias,
    })
    const separate = (): Attention['input'] => ({
      kind: 'separate',
      q: linear('q_proj', 'q', heads * headSize, biases.qkv),
      k: linear('k_proj', 'k', keyHeads * headSize, biases.qkv),
      v: linear('v_proj', 'v', keyHeads * headSize, biases.qkv),
    })
    return {
      module,
      attention: {
        module: self,
        heads,
        keyHeads,
        headSize,
        input: parts.input?.(self) ?? separate(),
        output: { ...linear('o_proj', 'o', width, biases.o), cols: heads * headSize },
        norms: parts.headNorms ? { q: norm(`${self}.q_norm`, headSize), k: norm(`${self}.k_norm`, headSize) } : null,
        rope: typeof parts.rope === 'function' ? parts.rope(window) : parts.rope,
        scale: parts.scale ?? 1 / Math.sqrt(headSize),
        softCap: parts.scoreCap ?? null,
        window,
      },
      mlp: parts.mlp?.(index, `${module}.mlp`) ?? gatedMlp(shape, `${module}.mlp`, { bias: biases.mlp }),
      residual: parts.residual?.(module, norm) ?? {
        kind: 'before',
        attention: norm(`${module}.input_layernorm`),
        mlp: norm(`${module}.post_attention_layernorm`),
      },
    }
  }
  return {
    ...shape,
    embedding: {
      weight: `${model}.embed_tokens.weight`,
      cols: width,
      scale: parts.embeddingScale ?? null,
      project: null,
      positions: null,
    },
    blocks: Array.from({ length: shape.depth }, block),
    last: norm(`${model}.norm`),
    head: {
      weight: shape.tied ? null : `${parts.names?.head ?? ''}lm_head.weight`,
      project: null,
      softCap: parts.logitCap ?? null,
    },
    card: parts.card ?? {},
  }
}

/** gate_proj, up_proj and down_proj, or what a family calls them. */
export function gatedMlp(
  { width, activation, ...shape }: Pick<LlamaShape, 'width' | 'inner' | 'activation'>,
  module: string,
  more: { inner?: number; bias?: boolean; expert?: number; names?: readonly [string, string, string] } = {},
): GatedMlp {
  const { inner = shape.inner, bias = false, expert, names = ['gate_proj', 'up_proj', 'down_proj'] } = more
  const [gate, up, down] = names
  const linear = (name: string, role: Linear['role'], rows: number, cols: number): Linear => ({
    module: `${module}.${name}`,
    role,
    rows,
    cols,
    bias,
    ...(expert !== undefined && { expert }),
  })
  return {
    kind: 'gated',
    module,
    activation,
    gate: linear(gate, 'gate', inner, width),
    up: linear(up, 'up', inner, width),
    down: linear(down, 'down', width, inner),
  }
}
