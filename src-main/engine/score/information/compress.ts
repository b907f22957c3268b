// Points made few-dimensional, so that information can be estimated from some hundred of them; and adaptive bins.
//   Butakov et al. 2024, "Information Bottleneck Analysis of Deep Neural Networks via Lossy Compression", section 4: estimate
//   between compressed representations. Their compressor is an autoencoder; principal components are the linear one.
//   Chelombiev, Houghton and O'Donnell 2019, "Adaptive Estimators Show Information Compression in Deep Neural Networks",
//   section 3: entropy-based adaptive binning (EBAB), bins that hold equally many different activations of a layer
import { random } from '../../data/random.ts'
import { symmetricEigen } from '../../kernels/linear/eigen.ts'
import { centredGram, type Cloud, countOf } from './geometry.ts'

/** The leading principal components of points, scaled together to mean square 1. Zeros where all points are one. */
export async function principal(cloud: Cloud, components: number): Promise<Cloud> {
  const n = countOf(cloud)
  const width = Math.min(components, n)
  const { values, vectors } = symmetricEigen(await centredGram(cloud), n)
  const kept = values.slice(0, width).map((value) => Math.max(0, value))
  const total = kept.reduce((sum, value) => sum + value, 0)
  const data = new Float32Array(n * width)
  if (total > 0)
    for (let c = 0; c < width; c++) {
      const scale = Math.sqrt(((kept[c] ?? 0) * n * width) / total)
      for (let r = 0; r < n; r++) data[r * width + c] = (vectors[c * n + r] ?? 0) * scale
    }
  return { data, width }
}

/** Points with Gaussian noise added: without it a deterministic layer tells infinitely much about its input (Goldfeld et al.
 *  2019, "Estimating Information Flow in Deep Neural Networks", section 2). */
export function withNoise({ data, width }: Cloud, deviation: number, seed: number): Cloud {
  const source = random(seed)
  return { data: data.map((x) => x + deviation * source.normal()), width }
}

/** Each point as the bins its coordinates fall into; equally many different values of the whole layer in each bin. */
export function adaptiveCodes({ data, width }: Cloud, bins: number): string[] {
  const unique = [...new Set(data)].sort((a, b) => a - b)
  const edges = Array.from({ length: bins - 1 }, (_, i) => unique[Math.ceil(((i + 1) * unique.length) / bins)])
  const upper = Float64Array.from(edges, (edge) => edge ?? Infinity) // a value belongs below the first edge above it
  const binOf = (x: number) => {
    let [low, high] = [0, upper.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (x >= (upper[middle] as number)) low = middle + 1
      else high = middle
    }
    return low
  }
  return Array.from({ length: width === 0 ? 0 : data.length / width }, (_, r) => {
    let code = ''
    for (let c = 0; c < width; c++) code += String.fromCharCode(binOf(data[r * width + c] as number))
    return code
  })
}

/** H(T) of all codes, and I(T; Y) = H(T) - H(T | Y) of those that have a label, in bits. */
export function codeEntropies(
  codes: readonly string[],
  labels: ArrayLike<number>,
): { entropy: number; information: number } {
  const entropy = (some: readonly string[]) => {
    const counts = new Map<string, number>()
    for (const code of some) counts.set(code, (counts.get(code) ?? 0) + 1)
    let sum = 0
    for (const count of counts.values()) sum -= (count / some.length) * Math.log2(count / some.length)
    return sum
  }
  const known = codes.filter((_, i) => (labels[i] ?? -1) >= 0)
  const classes = Map.groupBy(codes.keys(), (i) => labels[i] ?? -1)
  classes.delete(-1)
  let given = 0
  for (const rows of classes.values())
    given += (rows.length / known.length) * entropy(rows.map((row) => codes[row] ?? ''))
  return { entropy: entropy(codes), information: known.length === 0 ? 0 : entropy(known) - given }
}
