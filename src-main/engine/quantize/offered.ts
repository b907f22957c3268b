import { isWeighted, type Option } from '../../../src-preload/contract/plan.ts'

/** Which of a layer's options can be planned with. Where importance is known, weighted options take the place of their plain
 *  twins (same bytes, less error); elsewhere they are left out. */
export function offeredOptions<O extends Option>(options: readonly O[], weighs: boolean): O[] {
  if (!weighs) return options.filter((option) => !isWeighted(option))
  const twins = new Set(options.filter(isWeighted).map(plainKey))
  return options.filter((option) => isWeighted(option) || !twins.has(plainKey(option)))
}

/** The weighted form of an option among others; itself where there is none. */
export const weightedTwin = <O extends Option>(option: O, options: readonly O[]): O =>
  options.find((other) => isWeighted(other) && plainKey(other) === plainKey(option)) ?? option

const plainKey = ({ method, bits, parameters: { weighted: _, ...parameters } }: Option): string =>
  JSON.stringify([method, bits, Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1))])
