// Output error on calibration inputs, tied to the losses that were measured in the same layer.
//   y = ln loss, x = ln output error:  y = a + k + (1 + b) (x - c) + f(x) + noise
//   a ~ N(mean over layers, s^2)   offset of the layer
//   k ~ N(mean over layers, 0.3^2) offset of the kind of option (rounding, pruning, low rank)
//   b ~ N(0, 0.2^2)                slope: losses of small errors grow in proportion
//   f ~ GP(0.25^2 exp(-(x - x')^2 / 2 * 1.5^2)) within a kind: large errors saturate
// All Gaussian, so the expected y and its variance given the layer's own measurements are those of a Gaussian process
// (Rasmussen and Williams 2006, equations 2.25 and 2.26). Predictions never fall below the loss of a smaller error of the same
// kind, nor rise above that of a larger one.
import type { Estimate, LayerFacts, Means, OptionFacts } from './define.ts'
import { solveCholesky, solveLower } from './solve.ts'

const kindDeviation = 0.3
const slopeDeviation = 0.2
const bendDeviation = 0.25
const bendLength = 1.5 // of ln(error)
const leastNoise = 0.1 // of ln(loss), beside the samples' own: no two options of one error cost quite the same
const priorWeight = 10 // left-out points that say the deviations above are right
const offsetGuess = 1 // between layers, until several were measured

interface Point {
  id: string
  kind: string
  x: number
  y: number
  noise: number // variance
}

/** The error that the line is drawn over: of the outputs, of the weights where the inputs are not known. */
const errorOf = ({ outputError, error }: OptionFacts): number => outputError ?? error ?? 0

const pointsOf = ({ options }: LayerFacts): Point[] =>
  options.flatMap((option) => {
    const error = errorOf(option)
    if (!(error > 0) || !option.measured || !(option.measured.loss > 0)) return []
    const { loss, standardError } = option.measured
    const relative = Math.min(1, standardError / loss)
    const noise = leastNoise ** 2 + relative ** 2
    return [{ id: option.id, kind: option.kind, x: Math.log(error), y: Math.log(loss), noise }]
  })

interface Common {
  mean: number
  offsetVariance: number
  kinds: ReadonlyMap<string, number>
}

/** What the layers have in common: the usual offset, how far layers scatter about it, and how kinds differ. */
function commonOf(all: readonly Point[][]): Common | null {
  const measured = all.filter((points) => points.length > 0)
  if (measured.length === 0) return null
  const offsets = measured.map((points) => average(points.map(({ x, y }) => y - x)))
  const mean = average(offsets)
  const scatter = offsets.reduce((sum, offset) => sum + (offset - mean) ** 2, 0)
  const offsetVariance = (2 * offsetGuess ** 2 + scatter) / (2 + Math.max(0, offsets.length - 1))
  const terms = new Map<string, number[]>()
  measured.forEach((points, index) => {
    for (const { kind, x, y } of points) {
      const list = terms.get(kind) ?? []
      list.push(y - x - (offsets[index] ?? 0))
      terms.set(kind, list)
    }
  })
  const kinds = new Map([...terms].map(([kind, list]) => [kind, (average(list) * list.length) / (list.length + 2)]))
  return { mean, offsetVariance, kinds }
}

const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

type At = Pick<Point, 'kind' | 'x'>

function covariance(a: At, b: At, centre: number, offsetVariance: number): number {
  const slope = slopeDeviation ** 2 * (a.x - centre) * (b.x - centre)
  const bend = bendDeviation ** 2 * Math.exp(-((a.x - b.x) ** 2) / (2 * bendLength ** 2))
  return offsetVariance + slope + (a.kind === b.kind ? kindDeviation ** 2 + bend : 0)
}

interface Line {
  at(point: At): { y: number; variance: number }
}

/** The layer's line given its measured points; the common one where it has none. */
function lineOf(points: readonly Point[], { mean, offsetVariance, kinds }: Common): Line {
  const centre = points.length === 0 ? 0 : average(points.map(({ x }) => x))
  const prior = ({ kind, x }: At): number => mean + (kinds.get(kind) ?? 0) + x
  const matrix = points.map((a, i) =>
    points.map((b, j) => covariance(a, b, centre, offsetVariance) + (i === j ? a.noise : 0)),
  )
  const { factor, solution } = solveCholesky(
    matrix,
    points.map((point) => point.y - prior(point)),
  )
  return {
    at(point) {
      const cross = points.map((other) => covariance(point, other, centre, offsetVariance))
      const explained = solveLower(factor, cross).reduce((sum, value) => sum + value * value, 0)
      const y = prior(point) + cross.reduce((sum, value, i) => sum + value * (solution[i] ?? 0), 0)
      // Without points of its own the slope's part is measured from where the others' middle would be.
      const own = covariance(point, point, points.length === 0 ? point.x : centre, offsetVariance)
      return { y, variance: Math.max(0, own - explained) }
    },
  }
}

/** How much farther off than said measured points are when each is told from the others of its layer, in deviations. */
function spreadOf(all: readonly (readonly Point[])[], common: Common): number {
  let [squares, count] = [priorWeight, priorWeight]
  for (const points of all) {
    if (points.length < 3) continue
    for (const left of points) {
      const { y, variance } = lineOf(
        points.filter((point) => point !== left),
        common,
      ).at(left)
      // A point at an end is told from one side only, as few that are asked for later are: it counts half.
      const ends = points.every((point) => point.x <= left.x) || points.every((point) => point.x >= left.x)
      const weight = ends ? 0.5 : 1
      squares += (weight * (left.y - y) ** 2) / (variance + left.noise)
      count += weight
    }
  }
  return Math.min(3, Math.max(0.5, Math.sqrt(squares / count)))
}

export const outputError: Means = {
  id: 'output-error',
  title: 'Output error',
  cite: 'Frantar et al. 2022, "Optimal Brain Compression" (layer-wise error); Rasmussen and Williams 2006, section 2.2',
  formula: 'exp E[a + k + (1 + b) ln(tr(D H Dᵀ) / tr(W H Wᵀ)) + f | measured losses of the layer]',
  fit(layers) {
    const all = new Map(layers.map((layer) => [layer.name, pointsOf(layer)]))
    const common = commonOf([...all.values()])
    const known = new Map<string, ReadonlyMap<string, Estimate>>()
    const spread = common === null ? 1 : spreadOf([...all.values()], common)
    return (layer, option) => {
      if (common === null) return null
      let estimates = known.get(layer.name)
      if (!estimates) {
        const points = all.get(layer.name) ?? pointsOf(layer)
        estimates = estimatesOf(layer, points, lineOf(points, common), spread)
        known.set(layer.name, estimates)
      }
      return estimates.get(option.id) ?? null
    }
  },
}

function estimatesOf(layer: LayerFacts, points: readonly Point[], line: Line, spread: number): Map<string, Estimate> {
  const found = new Map<string, Estimate>()
  const least = new Map<string, number>() // of a kind, so far
  const sorted = [...layer.options].sort((a, b) => errorOf(a) - errorOf(b))
  for (const option of sorted) {
    const error = errorOf(option)
    if (option.outputError === null && option.error === null) continue
    if (!(error > 0)) {
      found.set(option.id, { loss: 0, standardError: 0, deviation: 0 })
      continue
    }
    const x = Math.log(error)
    const alike = points.filter((point) => point.kind === option.kind)
    const { y, variance } = line.at({ kind: option.kind, x })
    const below = Math.max(0, ...alike.filter((point) => point.x < x).map((point) => Math.exp(point.y)))
    const above = Math.min(Infinity, ...alike.filter((point) => point.x > x).map((point) => Math.exp(point.y)))
    const bounded = below <= above ? Math.min(above, Math.max(below, Math.exp(y))) : Math.exp(y)
    const loss = Math.max(bounded, least.get(option.kind) ?? 0)
    least.set(option.kind, loss)
    found.set(option.id, { loss, standardError: 0, deviation: spread * Math.sqrt(variance + leastNoise ** 2) })
  }
  return found
}
