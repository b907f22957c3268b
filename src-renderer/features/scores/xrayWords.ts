import type { Xray } from '../../../src-preload/contract/scores.ts'

/** How many singular values hold this share of the squared norm; null where those that are known do not. */
export function rankFor({ energy }: Pick<NonNullable<Xray['spectrum']>, 'energy'>, share: number): number | null {
  const at = energy.findIndex((held) => held >= share)
  return at < 0 ? null : at + 1
}

/** '90 % of the energy in 34 of 256, 99 % in 120; effective rank 88'. */
export function energyWords(spectrum: NonNullable<Xray['spectrum']>): string {
  const { full, effectiveRank, values, energy } = spectrum
  const [most, nearly] = [rankFor(spectrum, 0.9), rankFor(spectrum, 0.99)]
  const held =
    most === null
      ? `${Math.round((energy.at(-1) ?? 0) * 100)} % of the energy in the first ${values.length} of ${full}`
      : `90 % of the energy in ${most} of ${full}`
  return [
    `${held}${nearly === null ? '' : `, 99 % in ${nearly}`}`,
    ...(effectiveRank === null ? ['leading values only'] : [`effective rank ${effectiveRank.toFixed(0)}`]),
  ].join('; ')
}
