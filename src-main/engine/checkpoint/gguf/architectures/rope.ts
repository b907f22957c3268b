// Rotary scaling both ways. Hugging Face names a method and its settings (graph/families/rope.ts); GGUF files have keys for
// linear and yarn, and tables of factors for llama3 (rope_freqs) and longrope (rope_factors_long and _short), by which
// llama.cpp divides the frequencies.
import type { Settings } from '../../../graph/families/config.ts'
import type { Json, JsonMap } from '../../json.ts'
import { type MetadataReader, shortest } from './reading.ts'
import type { MetadataWriter } from './writing.ts'

/** Llama 3 scales by wavelength; these are the settings in use, told apart by their tables. */
const llama3Settings = [8, 32, 16, 4, 2].map((factor) => ({ factor, low: 1, high: 4, original: 8192 }))

interface Llama3 {
  factor: number
  low: number
  high: number
  original: number
}

/** What each frequency is divided by, [size / 2]: the way of graph/families/rope.ts, as a quotient. */
export function llama3Factors(theta: number, size: number, { factor, low, high, original }: Llama3): Float32Array {
  return Float32Array.from({ length: size / 2 }, (_, i) => {
    const rotations = (original * theta ** ((-2 * i) / size)) / (2 * Math.PI)
    if (rotations < low) return factor
    if (rotations > high) return 1
    const keep = (rotations - low) / (high - low)
    return 1 / ((1 - keep) / factor + keep)
  })
}

const close = (a: Float32Array, b: Float32Array) =>
  a.length === b.length && a.every((x, i) => Math.abs(x - (b[i] as number)) <= 1e-4 * Math.abs(x))

const settings = (pairs: Record<string, Json>): JsonMap => new Map(Object.entries(pairs))
const list = (values: Float32Array): Json => [...values].map(shortest)

/** `rope_scaling` of a file, or null where nothing is scaled. `size`: rotated features. Writes what belongs beside it. */
export function readScaling(reader: MetadataReader, config: JsonMap, theta: number, size: number): JsonMap | null {
  const { contents } = reader
  const context = reader.integer('context_length', { min: 1, max: 2 ** 31 })
  const original = reader.integer('rope.scaling.original_context_length', { min: 1, max: 2 ** 31 }, context)
  const [long, short] = ['long', 'short'].map((which) => contents.readTable(`rope_factors_${which}.weight`))
  if (long && short) {
    config.set('original_max_position_embeddings', original)
    const usual = context > original ? Math.sqrt(1 + Math.log(context / original) / Math.log(original)) : 1
    const attention = reader.number('rope.scaling.attn_factor', 0, 1)
    const scaling = settings({ rope_type: 'longrope', long_factor: list(long), short_factor: list(short) })
    if (Math.abs(attention - usual) > 1e-6) scaling.set('attention_factor', attention)
    return scaling
  }
  const table = contents.readTable('rope_freqs.weight')
  if (table) return fromTable(table, theta, size, context)
  const type = reader.text('rope.scaling.type', 'none')
  if (type === 'none' || (type === 'linear' && !reader.has('rope.scaling.factor'))) return null
  const factor = reader.number('rope.scaling.factor', 0, 1)
  if (type === 'linear') return factor === 1 ? null : settings({ rope_type: 'linear', factor })
  if (type !== 'yarn')
    throw reader.unsupported('rope.scaling.type', `${JSON.stringify(type.slice(0, 40))} without its table`)
  const scaling = settings({ rope_type: 'yarn', factor, original_max_position_embeddings: original })
  for (const [key, field] of yarnKeys) if (reader.has(key)) scaling.set(field, reader.number(key, 0))
  if (reader.has('rope.scaling.attn_factor'))
    scaling.set('attention_factor', shortest(reader.number('rope.scaling.attn_factor', 0) * yarnAttention(factor)))
  return scaling
}

/** Without `attention_factor`, Peng et al. 2023, eq. 22; llama.cpp always multiplies by it. */
const yarnAttention = (factor: number, weight = 1) => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1)

const yarnKeys = [
  ['rope.scaling.yarn_beta_fast', 'beta_fast'],
  ['rope.scaling.yarn_beta_slow', 'beta_slow'],
  ['rope.scaling.yarn_attn_factor', 'attention_factor'],
] as const

/** Known settings of llama3, or the table itself as longrope without a switch: both divide by the same numbers. */
function fromTable(table: Float32Array, theta: number, size: number, context: number): JsonMap {
  const known = llama3Settings.find((each) => close(table, llama3Factors(theta, size, each)))
  if (known) {
    return settings({
      rope_type: 'llama3',
      factor: known.factor,
      low_freq_factor: known.low,
      high_freq_factor: known.high,
      original_max_position_embeddings: known.original,
    })
  }
  return settings({
    rope_type: 'longrope',
    long_factor: list(table),
    short_factor: list(table),
    original_max_position_embeddings: context,
    attention_factor: 1,
  })
}

/** The section that says how positions are scaled, by its newer or older name. */
export function scalingOf(config: Settings): { section: Settings; type: string } | null {
  const section = sectionOf(config) ?? config.section('rope_scaling')
  const type = section?.text('rope_type', section.text('type', 'default')) ?? 'default'
  return section && type !== 'default' ? { section, type } : null
}

export function thetaOf(config: Settings, usual = 10000): number {
  const newer = sectionOf(config)
  if (newer?.has('rope_theta')) return newer.number('rope_theta', 1)
  return config.number('rope_theta', 1, usual)
}

/** Newer configurations of Gemma 3 have a section for each kind of block; the far-seeing one is what GGUF calls the rope. */
const sectionOf = (config: Settings): Settings | null => {
  const section = config.section('rope_parameters')
  return section?.has('full_attention') ? section.section('full_attention') : section
}

/** Where the original context stands: in the section, beside it, or it is the context. */
const originalOf = (config: Settings, section: Settings, context: number): number => {
  const field = 'original_max_position_embeddings'
  if (section.has(field)) return section.number(field, 0)
  return config.has(field) ? config.number(field, 0) : context
}

/** Keys of the scaling. Faults 'unsupported' for methods that llama.cpp does not know. */
export function writeScaling(config: Settings, writer: MetadataWriter, context: number): void {
  const scaling = scalingOf(config)
  if (!scaling) return
  const { section, type } = scaling
  const original = originalOf(config, section, context)
  switch (type) {
    case 'linear':
      writer.text('rope.scaling.type', 'linear').float('rope.scaling.factor', section.number('factor', 0))
      return
    case 'llama3':
      return // all in its table
    case 'yarn':
      writeYarn(section, writer, original, section.number('factor', 0, context / original))
      return
    case 'longrope':
    case 'su': {
      const usual = context > original ? Math.sqrt(1 + Math.log(context / original) / Math.log(original)) : 1
      writer.text('rope.scaling.type', 'longrope').integer('rope.scaling.original_context_length', original)
      writer.float('rope.scaling.attn_factor', section.number('attention_factor', 0, usual))
      return
    }
    default:
      throw section.unsupported('rope_type', `llama.cpp has no position scaling ${JSON.stringify(type.slice(0, 40))}`)
  }
}

function writeYarn(section: Settings, writer: MetadataWriter, original: number, factor: number): void {
  if (!section.flag('truncate', true))
    throw section.unsupported('truncate', 'llama.cpp always rounds where the ramp begins and ends')
  for (const [field, fixed] of [
    ['beta_fast', 32],
    ['beta_slow', 1],
  ] as const)
    if (section.number(field, 0, fixed) !== fixed)
      throw section.unsupported(field, `llama.cpp takes ${fixed}, whatever a file says`)
  writer.text('rope.scaling.type', 'yarn').float('rope.scaling.factor', factor)
  writer.integer('rope.scaling.original_context_length', original)
  for (const [key, field] of yarnKeys) if (section.has(field)) writer.float(key, section.number(field, 0))
  const usual = yarnAttention(factor)
  const own = attentionOf(section, factor)
  if (own !== usual) writer.float('rope.scaling.attn_factor', own / usual)
}

/** The attention factor as graph/families/rope.ts computes it. */
function attentionOf(section: Settings, factor: number): number {
  if (section.has('attention_factor')) return section.number('attention_factor', 0)
  const [some, all] = [section.number('mscale', -1, 0), section.number('mscale_all_dim', -1, 0)]
  return some > 0 && all > 0 ? yarnAttention(factor, some) / yarnAttention(factor, all) : yarnAttention(factor)
}

/** Tables of the scaling: rope_freqs, or rope_factors_long and _short. `size`: rotated features. */
export function scalingTables(config: Settings, size: number): Map<string, Float32Array> {
  const scaling = scalingOf(config)
  const tables = new Map<string, Float32Array>()
  if (scaling?.type === 'llama3') {
    const { section } = scaling
    const numbers = {
      factor: section.number('factor', 0),
      low: section.number('low_freq_factor', 0),
      high: section.number('high_freq_factor', 0),
      original: section.number('original_max_position_embeddings', 0),
    }
    tables.set('rope_freqs.weight', llama3Factors(thetaOf(config), size, numbers))
  } else if (scaling?.type === 'longrope' || scaling?.type === 'su') {
    for (const which of ['long', 'short'])
      tables.set(
        `rope_factors_${which}.weight`,
        Float32Array.from(scaling.section.numbers(`${which}_factor`, size / 2)),
      )
  }
  return tables
}
