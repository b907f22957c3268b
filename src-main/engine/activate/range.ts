// The range that a calibrated scale covers, chosen from a histogram of everything that was seen.
//   minmax      all of it
//   percentile  what is left when the rarest values on both sides are cut off   (Wu et al. 2020, section 5.2)
//   mse         the range in which rounding and clipping together cost least     (Banner et al. 2019, eq. 4, by search)

export const rangeChoices = ['minmax', 'percentile', 'mse'] as const
export type RangeChoice = (typeof rangeChoices)[number]

const halfBins = 2048

/** Counts over [-reach, reach] in even bins; reach doubles when a larger value comes, so one pass over the data is enough. */
export class Counts {
  reach = 0
  lo = 0
  hi = 0
  counts = new Float64Array(2 * halfBins)

  add(values: Float32Array): void {
    let [lo, hi] = [this.lo, this.hi]
    for (const value of values) {
      if (value < lo) lo = value
      if (value > hi) hi = value
    }
    this.lo = lo
    this.hi = hi
    const top = Math.max(-lo, hi)
    if (top === 0) {
      this.counts[halfBins] = (this.counts[halfBins] ?? 0) + values.length
      return
    }
    if (this.reach === 0) this.reach = top
    while (this.reach < top) this.widen()
    const { counts } = this
    const scale = halfBins / this.reach
    for (const value of values) {
      const bin = Math.min(2 * halfBins - 1, Math.floor(value * scale) + halfBins)
      counts[bin] = (counts[bin] as number) + 1
    }
  }

  private widen(): void {
    const wide = new Float64Array(2 * halfBins)
    this.counts.forEach((count, bin) => {
      const to = halfBins + Math.floor((bin - halfBins) / 2)
      wide[to] = (wide[to] as number) + count
    })
    this.counts = wide
    this.reach *= 2
  }

  /** Middle of a bin. */
  at(bin: number): number {
    return ((bin - halfBins + 0.5) * this.reach) / halfBins
  }
}

/** Codes lowest .. highest; a symmetric grid has its zero at 0. */
export interface Grid {
  scale: number
  zero: number // code that stands for 0
  lowest: number
  highest: number
}

/** The grid that covers lo .. hi, which holds 0. 0 is always exact, as padding and ReLU need it. */
export function gridOf(lo: number, hi: number, bits: number, symmetric: boolean): Grid {
  if (symmetric) {
    const top = 2 ** (bits - 1) - 1
    const reach = Math.max(-lo, hi)
    return { scale: Math.fround(reach > 0 ? reach / top : 1), zero: 0, lowest: -top - 1, highest: top }
  }
  const levels = 2 ** bits - 1
  const scale = Math.fround(hi > lo ? (hi - lo) / levels : 1)
  const zero = Math.min(levels, Math.max(0, Math.round(-lo / scale)))
  return { scale, zero, lowest: 0, highest: levels }
}

/** Squared error of everything counted. */
function errorOf(counts: Counts, { scale, zero, lowest, highest }: Grid): number {
  let sum = 0
  counts.counts.forEach((count, bin) => {
    if (count === 0) return
    const x = counts.at(bin)
    const code = Math.min(highest, Math.max(lowest, Math.round(x / scale) + zero))
    sum += count * (x - (code - zero) * scale) ** 2
  })
  return sum
}

function percentileRange(counts: Counts, percentile: number): [number, number] {
  const total = counts.counts.reduce((sum, count) => sum + count, 0)
  const cut = total * (1 - percentile / 100)
  const edge = (bins: Float64Array) => {
    let seen = 0
    return bins.findIndex((count) => (seen += count) > cut)
  }
  const low = edge(counts.counts)
  const high = counts.counts.length - 1 - edge(counts.counts.toReversed())
  return [Math.max(counts.lo, Math.min(0, counts.at(low))), Math.min(counts.hi, Math.max(0, counts.at(high)))]
}

const steps = Array.from({ length: 48 }, (_, i) => 1 - i / 50) // shares of the seen range, 1 .. 0.06

/** The range [lo, hi], 0 inside. `percentile` counts each side alone. */
export function chooseRange(
  counts: Counts,
  choice: RangeChoice,
  { bits, symmetric, percentile }: { bits: number; symmetric: boolean; percentile: number },
): [number, number] {
  const { lo, hi } = counts
  if (choice === 'minmax' || counts.reach === 0) return [lo, hi]
  if (choice === 'percentile') return percentileRange(counts, percentile)
  const cost = (low: number, high: number) => errorOf(counts, gridOf(low, high, bits, symmetric))
  let best = { low: 1, high: 1, cost: cost(lo, hi) }
  const attempt = (low: number, high: number) => {
    const found = cost(lo * low, hi * high)
    if (found < best.cost) best = { low, high, cost: found }
  }
  for (const share of steps) attempt(share, share)
  // The two sides are not alike (GELU): each is searched once more with the other held.
  if (!symmetric) {
    for (const share of steps) attempt(share, best.high)
    for (const share of steps) attempt(best.low, share)
  }
  return [lo * best.low, hi * best.high]
}
