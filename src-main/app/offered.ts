import { feedsBack, type Methods, type Option } from '../../src-preload/contract/plan.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Quantizer } from '../engine/quantize/define.ts'
import { offeredOptions } from '../engine/quantize/offered.ts'
import { compressorOf, levers as allLevers } from '../engine/quantize/compressors.ts'
import { quantizers } from '../engine/quantize/registry.ts'

const PLAIN_FLOATS = 16 // bits from which there is nothing to choose better

const chosenQuantizer = ({ quantizer }: Methods): { method: Quantizer; parameters: Record<string, unknown> } | null => {
  if (quantizer === null) return null
  const method = quantizers.find(({ id }) => id === quantizer.method)
  if (!method)
    throw new Fault('bad-arguments', `There is no quantizer "${quantizer.method}".`, {
      data: { field: 'quantizer', found: quantizer.method },
    })
  return { method, parameters: method.params.parse(quantizer.parameters) }
}

/** What a layer is offered under the chosen methods, out of all that its format can hold. With a quantizer: its own forms,
 *  and its twins of the plain ones; a layer that has neither keeps the plain ones. */
export function optionsUnder<O extends Option>(options: readonly O[], methods: Methods, weighs: boolean): O[] {
  const chosen = chosenQuantizer(methods)
  const extra = leverOptions(options, weighs)
  const own = new Set(chosen?.method.options ? [chosen.method.id] : [])
  const plain = offeredOptions(
    options.filter(({ method }) => isPlainMethod(method)),
    chosen === null && weighs,
  )
  if (chosen === null) return [...plain, ...extra]
  const made = ownOptions(
    options.filter(({ method }) => own.has(method)),
    weighs,
  )
  const { twin } = chosen.method
  let twins = 0
  const swapped = plain.flatMap((option): O[] => {
    if (option.method === 'keep' || option.bits >= PLAIN_FLOATS) return [option]
    const found = twin?.(option, chosen.parameters) ?? null
    if (found === null) return []
    twins += 1
    return [{ ...option, ...found, form: option.id }]
  })
  return [...(made.length + twins === 0 ? plain : [...made, ...swapped]), ...extra]
}

/** A quantizer's own forms. Where errors are passed on, the calibration that needs weighs them too; without data nothing is
 *  passed on, and the option says so. */
function ownOptions<O extends Option>(options: readonly O[], weighs: boolean): O[] {
  if (weighs) return offeredOptions(options, !options.some(feedsBack))
  return offeredOptions(options, false).map((option) =>
    feedsBack(option) ? { ...option, parameters: { ...option.parameters, feedback: false } } : option,
  )
}

const levers = new Map(allLevers.map((method) => [method.id, method]))

/** What sparsifiers and factorizers offer; without data, what needs weights alone. */
const leverOptions = <O extends Option>(options: readonly O[], weighs: boolean): O[] =>
  offeredOptions(
    options.filter(({ method: id }) => {
      const lever = levers.get(id)
      return lever !== undefined && (weighs || lever.needs.every((need) => need === 'weights'))
    }),
    weighs,
  )

/** Takes something else away than bits. */
export const isLever = ({ method }: Pick<Option, 'method'>): boolean => levers.has(method)

const isPlainMethod = (method: string): boolean => method === 'rtn' || method === 'ggml' || method === 'keep'

/** What sensitivity tries of a layer's options: those of slow methods are told by the plain option of their form. */
export function triedOptions<O extends Option>(options: readonly O[], methods: Methods, weighs: boolean): O[] {
  const plain = offeredOptions(options, weighs)
  const tried = optionsUnder(options, methods, weighs).flatMap((option) => {
    if (option.method === 'keep') return []
    if (option.form === undefined || compressorOf(option.method)?.slow !== true) return [option]
    return plain.filter(({ id }) => id === option.form || id === `${option.form}-w`)
  })
  return [...new Map(tried.map((option) => [option.id, option])).values()]
}

/** All options that any data would allow under the chosen methods. */
export const everyOption = <O extends Option>(options: readonly O[], methods: Methods): O[] => {
  const all = [...options, ...optionsUnder(options, methods, false), ...optionsUnder(options, methods, true)]
  return [...new Map(all.map((option) => [option.id, option])).values()]
}
