import type { Option } from '../../../src-preload/contract/plan.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { looksAtInputs } from '../calibrate/choose.ts'
import type { Layer } from '../checkpoint/network.ts'
import { fits, ggmlOption, isFloat } from '../export/gguf/types.ts'
import { writableTypes } from '../kernels/ggml/types.ts'
import type { Quantizer } from '../quantize/define.ts'
import { optionsFor } from '../quantize/options.ts'
import { quantizers } from '../quantize/registry.ts'

export interface Contestant {
  quantizer: Quantizer // that offers it
  option: Option
}

/** The plain options of a layer: every width on a uniform grid, every GGUF type whose blocks fit its rows. */
function plainOptions(layer: Layer): Option[] {
  const types = writableTypes.filter((type) => !isFloat(type) && fits(type, layer.cols))
  return [...optionsFor(layer).filter(({ method }) => method !== 'keep'), ...types.map((type) => ggmlOption(type))]
}

/** The same GGUF types with the error of each column weighed by its mean squared input. */
const weightedOptions = (plain: readonly Option[]): Option[] =>
  plain.flatMap(({ parameters: { type } }) => {
    const found = writableTypes.find((known) => known === type)
    return found ? [ggmlOption(found, true)] : []
  })

/** Everything a list of quantizers can do to a layer with their own defaults, each option once: where two offer it, it is
 *  that one's which carries it out. `weighs`: importance of the layer's inputs is known. */
export function contestants(
  layer: Layer,
  { weighs, known = quantizers }: { weighs: boolean; known?: readonly Quantizer[] },
): Contestant[] {
  const plain = plainOptions(layer)
  const all = known.flatMap((quantizer): Contestant[] => {
    const defaults = quantizer.params.parse({})
    const own = [...plain, ...(weighs ? weightedOptions(plain) : [])].filter(({ method }) => method === quantizer.id)
    const twins = plain.flatMap((option) => quantizer.twin?.(option, defaults) ?? [])
    const forms = quantizer.options?.(layer, defaults) ?? []
    return [...own, ...twins, ...forms].map((option) => ({ quantizer, option }))
  })
  const best = new Map<string, Contestant>()
  for (const one of all) {
    const before = best.get(one.option.id)
    if (!before || (before.quantizer.id !== before.option.method && one.quantizer.id === one.option.method))
      best.set(one.option.id, one)
  }
  return [...best.values()]
}

/** Those of the quantizers asked for (null: all), without what needs inputs where there are none. Faults on a quantizer
 *  there is none of. */
export function contestantsOf(layer: Layer, wanted: readonly string[] | null, hasInputs: boolean): Contestant[] {
  const unknown = wanted?.find((id) => !quantizers.some((quantizer) => quantizer.id === id))
  if (unknown !== undefined)
    throw new Fault('bad-arguments', `There is no quantizer "${unknown}".`, {
      hint: `Known: ${quantizers.map(({ id }) => id).join(', ')}.`,
      data: { field: 'methods', found: unknown },
    })
  return contestants(layer, { weighs: hasInputs })
    .filter(({ quantizer }) => wanted?.includes(quantizer.id) ?? true)
    .filter(({ option }) => hasInputs || !looksAtInputs(option, layer.name))
}
