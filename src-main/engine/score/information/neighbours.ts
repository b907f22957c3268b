// Mutual information from distances to nearest neighbours: as fine as the points lie dense.
//   Kraskov, Stoegbauer and Grassberger 2004, "Estimating mutual information", equation 8 (KSG, algorithm 1):
//   I(X; Y) = psi(k) + psi(N) - < psi(n_x + 1) + psi(n_y + 1) >,  n: points nearer in X (in Y) than the k-th neighbour in both
//   Ross 2014, "Mutual Information between Discrete and Continuous Data Sets", equation 2:
//   I(X; Y) = psi(N) + psi(k) - < psi(N_y) > - < psi(m) >,  m: points of all classes within the k-th neighbour of one's own
// Distances are those of the largest coordinate. Results in bits; estimates can fall below 0 by their error, and are not cut.
// Cost O(N^2 (widths)) in plain loops: meant for some hundred points of few coordinates.
import { type Cloud, countOf } from './geometry.ts'

const EULER = 0.5772156649015329

/** psi(n) of whole n >= 1. */
export function digamma(n: number): number {
  let sum = -EULER
  for (let i = 1; i < n; i++) sum += 1 / i
  return sum
}

function distances({ data, width }: Cloud, from: number, n: number): Float64Array {
  const out = new Float64Array(n)
  for (let j = 0; j < n; j++) {
    let most = 0
    for (let c = 0; c < width; c++)
      most = Math.max(most, Math.abs((data[from * width + c] as number) - (data[j * width + c] as number)))
    out[j] = most
  }
  out[from] = Infinity // not its own neighbour
  return out
}

const kth = (values: Float64Array, k: number): number => values.slice().sort()[k - 1] ?? Infinity

/** I(X; Y) in bits of paired points of the two clouds. Faults nothing: fewer points than k + 1 give 0. */
export function continuousInformation(x: Cloud, y: Cloud, k: number): number {
  const n = countOf(x)
  if (n <= k) return 0
  let sum = 0
  for (let i = 0; i < n; i++) {
    const [dx, dy] = [distances(x, i, n), distances(y, i, n)]
    const radius = kth(
      dx.map((d, j) => Math.max(d, dy[j] ?? 0)),
      k,
    )
    const nearer = (d: Float64Array) => d.reduce((count, value) => count + Number(value < radius), 0)
    sum += digamma(nearer(dx) + 1) + digamma(nearer(dy) + 1)
  }
  return (digamma(k) + digamma(n) - sum / n) / Math.LN2
}

/** I(X; label) in bits. Points without a label (-1), and of classes with one point, are left out. */
export function labelInformation(x: Cloud, labels: ArrayLike<number>, k: number): number {
  const all = countOf(x)
  const sizes = new Map<number, number>()
  for (let i = 0; i < all; i++) sizes.set(labels[i] ?? -1, (sizes.get(labels[i] ?? -1) ?? 0) + 1)
  const used = Array.from({ length: all }, (_, i) => i).filter(
    (i) => (labels[i] ?? -1) >= 0 && (sizes.get(labels[i] ?? -1) ?? 0) > 1,
  )
  if (used.length === 0) return 0
  let sum = 0
  for (const i of used) {
    const label = labels[i] ?? -1
    const d = distances(x, i, all)
    const own = Float64Array.from(used.filter((j) => j !== i && labels[j] === label).map((j) => d[j] ?? Infinity))
    const near = Math.min(k, own.length)
    const radius = kth(own, near)
    const within = used.reduce((count, j) => count + Number(j !== i && (d[j] ?? Infinity) <= radius), 0)
    sum += digamma(near) - digamma(sizes.get(label) ?? 1) - digamma(within)
  }
  return (digamma(used.length) + sum / used.length) / Math.LN2
}
