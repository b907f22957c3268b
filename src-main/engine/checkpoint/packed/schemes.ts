import type { Settings } from '../../graph/families/config.ts'

/** What compressed-tensors' settings say of one group of layers. */
export interface Scheme {
  bits: number
  symmetric: boolean
  groupSize: number | null // null: one scale an output or for the tensor
  block: readonly [number, number] | null
  targets: readonly string[]
  activations: boolean // quantized too
}

const mostGroups = 4096

/** Every scheme of `config_groups`, and the names of all layouts in use. */
export function readSchemes(config: Settings): { schemes: Scheme[]; formats: string[] } {
  const formats = [config.text('format', 'dense')]
  const sparsity = config.section('sparsity_config')
  if (sparsity) formats.push(sparsity.text('format', 'dense'))
  const schemes: Scheme[] = []
  const groups = config.section('config_groups')
  const names = groups?.fields().slice(0, mostGroups) ?? []
  for (const name of names) {
    const group = groups?.section(name)
    const weights = group?.section('weights')
    if (!group || !weights) continue
    if (group.has('format')) formats.push(group.text('format'))
    const block = weights.has('block_structure') ? blockOf(weights) : null
    const size = weights.has('group_size') ? weights.integer('group_size', { min: -1, max: 2 ** 31 }) : -1
    schemes.push({
      bits: weights.integer('num_bits', { min: 1, max: 16 }, 8),
      symmetric: weights.flag('symmetric', true),
      groupSize: size > 0 ? size : null,
      block,
      targets: group.texts('targets') ?? [],
      activations: group.section('input_activations') !== null,
    })
  }
  return { schemes, formats }
}

/** [128, 128], or the text "128x128" of older files. */
function blockOf(weights: Settings): readonly [number, number] {
  const text = weights.maybeText('block_structure')
  if (text === null) return weights.numbers('block_structure', 2) as [number, number]
  const [, high, wide] = /^(\d{1,6})x(\d{1,6})$/.exec(text) ?? []
  if (high === undefined || wide === undefined || Number(high) === 0 || Number(wide) === 0)
    throw weights.wrong('block_structure', 'two positive numbers')
  return [Number(high), Number(wide)]
}
