// Rotary position embedding: the angle of pair i at position p is p * w_i.
//   Su et al. 2021, "RoFormer", section 3.2.2:   w_i = theta^(-2i/d), i = 0 .. d/2 - 1
// Scaling to longer contexts, as the configurations of published checkpoints name it:
//   linear    Chen et al. 2023, "Position Interpolation", eq. 4:  w_i / s
//   dynamic   NTK-aware; for a window of T > L tokens theta' = theta * (s T / L - (s - 1))^(d / (d - 2))
//   llama3    Llama 3.1: wavelengths 2 pi / w_i beyond L / low are divided by s, below L / high kept, between blended
//   yarn      Peng et al. 2023, sections 3.2-3.4: ramp between w_i / s and w_i over the number of rotations in L
//   longrope  Ding et al. 2024: w_i / f_i with a short list for T <= L and a long one beyond
// L = original context, s = factor. yarn and longrope also multiply cos and sin by an attention factor.
import type { Settings } from './config.ts'

export interface Rope {
  name: string // tells the ropes of one model apart; '' where there is one
  type: string
  /** w_i for windows up to `switchAt` tokens (or all). */
  frequencies: Float64Array // [d / 2]
  attentionFactor: number
  /** longrope: frequencies for windows longer than `length`. */
  beyond: { length: number; frequencies: Float64Array } | null
  /** dynamic: theta grows with the window beyond `length`. */
  dynamic: { length: number; factor: number; theta: number } | null
}

const frequenciesOf = (theta: number, size: number) =>
  Float64Array.from({ length: size / 2 }, (_, i) => theta ** ((-2 * i) / size))

export interface RopeSource {
  size: number // d, features of a head that turn
  context: number
  name?: string
  kind?: 'full_attention' | 'sliding_attention' // whose settings, where each kind of layer has its own
  field?: string // holds theta in older configurations
  theta?: number // where they say nothing
  scaled?: boolean // false: `rope_scaling` does not concern this one
  partial?: boolean // `size` already is what `partial_rotary_factor` leaves
}

/** Reads `rope_parameters` (newer) or `rope_theta` with `rope_scaling` (older). */
export function readRope(config: Settings, source: RopeSource): Rope {
  const { size, context, name = '', field = 'rope_theta' } = source
  const newer = newerSection(config, source)
  const section = newer ?? (source.scaled === false ? null : config.section('rope_scaling'))
  const theta = newer?.has('rope_theta')
    ? newer.number('rope_theta', 1)
    : config.number(field, 1, source.theta ?? 10000)
  const type = section ? section.text('rope_type', section.text('type', 'default')) : 'default'
  const partial = newer ?? config
  if (!source.partial && partial.has('partial_rotary_factor') && partial.number('partial_rotary_factor', 0) !== 1) {
    throw partial.unsupported('partial_rotary_factor', 'rotating only a part of each head is not supported')
  }
  const frequencies = frequenciesOf(theta, size)
  const plain: Rope = { name, type, frequencies, attentionFactor: 1, beyond: null, dynamic: null }
  if (section === null || type === 'default') return plain
  switch (type) {
    case 'linear': {
      const factor = section.number('factor', 0)
      return { ...plain, frequencies: frequencies.map((w) => w / factor) }
    }
    case 'dynamic':
      if (size <= 2) throw section.unsupported('rope_type', 'dynamic scaling needs more than 2 features per head')
      return { ...plain, dynamic: { length: context, factor: section.number('factor', 0), theta } }
    case 'llama3':
      return { ...plain, frequencies: llama3(frequencies, section) }
    case 'yarn':
      return yarn(plain, section, theta, context)
    case 'longrope':
    case 'su':
      return longrope(plain, section, config, context)
    default:
      throw section.unsupported('rope_type', `${JSON.stringify(type.slice(0, 40))} is not a known position scaling`)
  }
}

function newerSection(config: Settings, { kind }: RopeSource): Settings | null {
  const newer = config.section('rope_parameters')
  if (!newer?.holdsObjects()) return newer
  if (kind === undefined) {
    throw config.unsupported('rope_parameters', 'one set for each kind of layer is not supported')
  }
  return newer.section(kind)
}

/** How many features of a head turn: an even number, `field` (or `partial_rotary_factor`) of them. */
export function readTurning(config: Settings, headSize: number, field: string, fallback: number): number {
  const newer = config.section('rope_parameters')
  const holder = newer?.has('partial_rotary_factor') ? newer : config
  const name = holder.has('partial_rotary_factor') ? 'partial_rotary_factor' : field
  const size = Math.trunc(headSize * holder.number(name, 0, fallback))
  if (size < 2 || size > headSize || size % 2 !== 0) {
    throw holder.wrong(name, `a share of ${headSize} features that is an even number of them`)
  }
  return size
}

function llama3(frequencies: Float64Array, section: Settings): Float64Array {
  const factor = section.number('factor', 0)
  const low = section.number('low_freq_factor', 0)
  const high = section.number('high_freq_factor', 0)
  const original = section.number('original_max_position_embeddings', 0)
  if (high <= low) throw section.wrong('high_freq_factor', `a number above low_freq_factor (${low})`)
  return frequencies.map((w) => {
    const rotations = (original * w) / (2 * Math.PI)
    if (rotations < low) return w / factor
    if (rotations > high) return w
    const keep = (rotations - low) / (high - low)
    return (1 - keep) * (w / factor) + keep * w
  })
}

function yarn(plain: Rope, section: Settings, theta: number, context: number): Rope {
  const original = section.number('original_max_position_embeddings', 0, context)
  const factor = section.number('factor', 0, context / original)
  const size = plain.frequencies.length * 2
  // Pair whose wave makes `rotations` turns over the original context.
  const pairOf = (rotations: number) => (size * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(theta))
  const truncate = section.flag('truncate', true)
  const first = pairOf(section.number('beta_fast', 0, 32))
  const last = pairOf(section.number('beta_slow', 0, 1))
  const low = Math.max(truncate ? Math.floor(first) : first, 0)
  const high = Math.min(truncate ? Math.ceil(last) : last, size - 1)
  const width = high === low ? 0.001 : high - low
  const frequencies = plain.frequencies.map((w, i) => {
    const interpolated = Math.min(Math.max((i - low) / width, 0), 1)
    return interpolated * (w / factor) + (1 - interpolated) * w
  })
  return { ...plain, frequencies, attentionFactor: yarnAttention(section, factor) }
}

function yarnAttention(section: Settings, factor: number): number {
  if (section.has('attention_factor')) return section.number('attention_factor', 0)
  const scale = (weight: number) => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1)
  const all = section.number('mscale_all_dim', -1, 0)
  const some = section.number('mscale', -1, 0)
  return some > 0 && all > 0 ? scale(some) / scale(all) : scale(1)
}

function longrope(plain: Rope, section: Settings, config: Settings, context: number): Rope {
  const pairs = plain.frequencies.length
  const holder = section.has('original_max_position_embeddings') ? section : config
  const original = holder.number('original_max_position_embeddings', 1, context)
  const factor = holder.has('original_max_position_embeddings') ? context / original : section.number('factor', 0, 1)
  const divide = (factors: number[]) => plain.frequencies.map((w, i) => w / (factors[i] ?? 1))
  const attentionFactor = section.has('attention_factor')
    ? section.number('attention_factor', 0)
    : factor <= 1
      ? 1
      : Math.sqrt(1 + Math.log(factor) / Math.log(original))
  return {
    ...plain,
    attentionFactor,
    frequencies: divide(section.numbers('short_factor', pairs)),
    beyond: { length: original, frequencies: divide(section.numbers('long_factor', pairs)) },
  }
}
