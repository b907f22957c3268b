// Rows and columns that stand out: by norm, and by kurtosis (a normal distribution has 3; one weight far out among many
// near zero makes it large).
import type { Xray, XrayChannel } from '../../../src-preload/contract/scores.ts'
import type { Moments } from './moments.ts'

type Side = Xray['rows']

const shown = 12

/** Fourth central moment over the squared variance, from raw sums; 0 where all values are equal. */
export function kurtosisOf(n: number, [s1, s2, s3, s4]: readonly [number, number, number, number]): number {
  const mean = s1 / n
  const variance = s2 / n - mean * mean
  if (!(variance > 1e-12 * (s2 / n))) return 0
  const fourth = s4 / n - 4 * mean * (s3 / n) + 6 * mean * mean * (s2 / n) - 3 * mean ** 4
  return fourth / (variance * variance)
}

const median = (values: Float64Array): number => {
  const sorted = values.toSorted()
  const half = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[half] ?? 0) : ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2
}

/** Sums of `each` neighbours together: the kernel places of a convolution's channel. */
export const folded = ({ n, sums }: Moments, each: number): Moments => ({
  n: n * each,
  sums: sums.map((of) =>
    Float64Array.from({ length: of.length / each }, (_, at) =>
      of.subarray(at * each, (at + 1) * each).reduce((sum, value) => sum + value, 0),
    ),
  ) as Moments['sums'],
})

const at = ({ sums: [a, b, c, d] }: Moments, index: number) =>
  [a[index] ?? 0, b[index] ?? 0, c[index] ?? 0, d[index] ?? 0] as const

/** The channels of one side, the largest and the heaviest-tailed named. */
export function sideOf(moments: Moments): Side {
  const norms = moments.sums[1].map(Math.sqrt)
  const kurtoses = norms.map((_, index) => kurtosisOf(moments.n, at(moments, index)))
  const medianNorm = median(norms)
  const top = (by: Float64Array): XrayChannel[] =>
    [...by.keys()]
      .sort((a, b) => (by[b] ?? 0) - (by[a] ?? 0) || a - b)
      .slice(0, shown)
      .map((index) => {
        const norm = norms[index] ?? 0
        return { index, norm, ratio: medianNorm > 0 ? norm / medianNorm : 0, kurtosis: kurtoses[index] ?? 0 }
      })
  return {
    count: norms.length,
    medianNorm,
    medianKurtosis: median(kurtoses),
    largest: top(norms),
    heaviest: top(kurtoses),
  }
}

/** Kurtosis of all weights together. */
export function wholeKurtosis({ n, sums }: Moments): number {
  const [a, b, c, d] = sums.map((of) => of.reduce((sum, value) => sum + value, 0))
  return kurtosisOf(n * sums[0].length, [a ?? 0, b ?? 0, c ?? 0, d ?? 0])
}
