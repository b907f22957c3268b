import type { Option } from '../../../../src-preload/contract/plan.ts'
import type { Layer } from '../../checkpoint/network.ts'
import type { CodedForm } from '../../quantize/codings/define.ts'
import { codedFormOf } from '../../quantize/codings/registry.ts'
import { keepOption } from '../../quantize/options.ts'

/** What a chosen quantizer can do to a layer in forms of its own (Quantizer.options). */
export type Offered = (layer: Layer) => readonly Option[]

/** A format's options for a layer, and those offered whose coded form it can hold, before 'keep'. */
export function withOffered(
  options: readonly Option[],
  layer: Layer,
  offered: Offered | undefined,
  holds: (form: CodedForm, layer: Layer) => boolean,
): Option[] {
  const known = new Set(options.map(({ id }) => id))
  const more = (offered?.(layer) ?? []).filter((option) => {
    const form = known.has(option.id) ? null : codedFormOf(option, layer)
    return form !== null && holds(form, layer)
  })
  const kept = options.filter(({ id }) => id === keepOption.id)
  return [...options.filter(({ id }) => id !== keepOption.id), ...more, ...kept]
}
