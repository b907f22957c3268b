import type { Option } from '../../../../src-preload/contract/plan.ts'
import type { Layer } from '../../checkpoint/network.ts'
import { rtnOption } from '../../quantize/options.ts'

/** Group sizes that every kernel takes, the usual one first. */
export const groupSizes = [128, 64, 32] as const

/** Group sizes that divide the inputs, largest first. */
export const fittingSizes = ({ cols }: Layer): number[] => groupSizes.filter((size) => cols % size === 0)

/** The group size asked for, or the next smaller one that divides the inputs; null (one scale an output) where none does. */
export const nearestSize = (layer: Layer, wanted: number): number | null =>
  fittingSizes(layer).find((size) => size <= wanted) ?? null

/** Options by width and group size; the first of a width is the one that uniform plans take. */
export const rtnOptions = (
  widths: readonly number[],
  sizes: readonly (number | null)[],
  symmetric: boolean,
): Option[] => widths.flatMap((bits) => sizes.map((size) => rtnOption(bits, size, symmetric)))

/** Each option once, followed by its twin that weighs errors by measured importance. */
export const withTwins = (options: readonly Option[]): Option[] =>
  [...new Map(options.map((option) => [option.id, option])).values()].flatMap((option) => [
    option,
    { ...option, id: `${option.id}-w`, parameters: { ...option.parameters, weighted: true } },
  ])
