// What the singular values of one matrix tell, and ranks for many matrices under one ratio.

export interface SpectrumShape {
  /** exp of the entropy of s / sum s (Roy and Vetterli 2007, "The Effective Rank", definition 1). 0 of a zero matrix. */
  effectiveRank: number
  /** |W|_F^2 / |W|_2^2 */
  stableRank: number
  /** Share of |W|_F^2 in the leading tenth, quarter and half of the values. */
  energy: { tenth: number; quarter: number; half: number }
}

export function shapeOf(values: Float64Array): SpectrumShape {
  let [sum, squares] = [0, 0]
  for (const s of values) {
    sum += s
    squares += s * s
  }
  if (sum === 0) return { effectiveRank: 0, stableRank: 0, energy: { tenth: 0, quarter: 0, half: 0 } }
  let entropy = 0
  for (const s of values) if (s > 0) entropy -= (s / sum) * Math.log(s / sum)
  const leading = (share: number) => {
    let own = 0
    for (let i = 0; i < Math.ceil(share * values.length); i++) own += (values[i] ?? 0) ** 2
    return own / squares
  }
  return {
    effectiveRank: Math.exp(entropy),
    stableRank: squares / (values[0] ?? 1) ** 2,
    energy: { tenth: leading(0.1), quarter: leading(0.25), half: leading(0.5) },
  }
}

/** (s - min) / (max - min); all 1 where the values are all the same and not 0, which has no tail to cut. */
export function normalised(values: Float64Array): Float64Array {
  const [high = 0, low = 0] = [values[0], values.at(-1)]
  if (high === low) return values.map(() => (high > 0 ? 1 : 0))
  return values.map((s) => (s - low) / (high - low))
}

/** Ranks that keep, of all matrices together, the share 1 - ratio of the singular values: one threshold on the normalised
 *  values for all of them. At least 1 each. */
export function ranksFor(spectra: readonly Float64Array[], ratio: number): { threshold: number; ranks: number[] } {
  const all = Float64Array.from(spectra.flatMap((values) => [...normalised(values)])).sort()
  const threshold = all[Math.min(all.length - 1, Math.floor(ratio * all.length))] ?? 0
  const ranks = spectra.map((values) => {
    const kept = normalised(values).reduce((count, value) => count + Number(value >= threshold), 0)
    return Math.max(1, kept)
  })
  return { threshold, ranks }
}
