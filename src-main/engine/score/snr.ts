// Signal-to-noise ratio of layers: how large hidden states are beside the noise that fits them.
//   Khadangi et al. 2025, "Noise Augmented Fine Tuning for Mitigating Hallucinations in Large Language Models" (NoiseFiT),
//   its selection of layers by SNR:  SNR_l = E|h_l| / (E|h_l' - h_l| + 1e-6),  h' = h + s o N(0, 1), token by token
//   s = noise std(h_l) MAD e^(-beta |h - median| / MAD) min(5, e^(var / mean var)),  median, MAD and var along the channels
// The paper draws ten noisy copies; since E|N(0, s)| = s sqrt(2 / pi), the expectation is computed instead of drawn.
// s grows with the square of the state, so the figure is not free of its scale, as in the paper.
// Layers of high SNR are robust, so the value given is minus the SNR in dB: higher matters more.
//   Yuan et al. 2019, "Signal-to-noise Ratio: A Robust Distance Metric for Deep Metric Learning", equation 2:
//   d(h, h') = var(h' - h) / var(h)  is the distance of compressed features from those of the original
// Cost: one forward pass; two medians for each of at most `vectors` vectors of each block.
import { z } from 'zod'
import { defineScore } from './define.ts'
import { hiddenStates, PositionSample, requireFinite, valuesOf } from './hidden.ts'

const TITLE = 'Signal-to-noise ratio of hidden states'
const LEAST = 1e-6
const MOST_FACTOR = 5

function medianOf(sorted: Float32Array): number {
  const { length } = sorted
  return ((sorted[(length - 1) >> 1] ?? 0) + (sorted[length >> 1] ?? 0)) / 2
}

function varianceOf(x: Float32Array): number {
  let [sum, squares] = [0, 0]
  for (const value of x) sum += value
  const mean = sum / x.length
  for (const value of x) squares += (value - mean) ** 2
  return squares / x.length
}

/** Mean size of vectors [n, width] and the expected mean size of the noise that NoiseFiT adds to them. */
export function signalAndNoise(
  data: Float32Array,
  width: number,
  { noise, beta }: { noise: number; beta: number },
): { signal: number; noise: number } {
  const count = data.length / width
  const rows = Array.from({ length: count }, (_, row) => data.subarray(row * width, (row + 1) * width))
  const variances = rows.map(varianceOf)
  const meanVariance = variances.reduce((sum, variance) => sum + variance, 0) / Math.max(1, count)
  let [signal, scales] = [0, 0]
  rows.forEach((row, index) => {
    const median = medianOf(row.slice().sort())
    const deviations = row.map((x) => Math.abs(x - median))
    const length = Math.hypot(...row)
    const spread = Math.max(medianOf(deviations.slice().sort()), LEAST * length)
    const factor = Math.min(MOST_FACTOR, Math.exp((variances[index] ?? 0) / (meanVariance + LEAST)))
    row.forEach((x, i) => {
      signal += Math.abs(x)
      scales += spread * factor * Math.exp((-beta * (deviations[i] ?? 0)) / (spread + LEAST))
    })
  })
  const size = Math.max(1, data.length)
  const deviation = Math.sqrt(varianceOf(data))
  return { signal: signal / size, noise: (noise * deviation * scales * Math.sqrt(2 / Math.PI)) / size }
}

/** Distance of compressed features from those of the original, both [n, width]: mean over vectors of var(h' - h) / var(h).
 *  Vectors without variance count 0 where nothing changed and are left out otherwise; NaN where none is left. */
export function snrDistance(base: Float32Array, compressed: Float32Array, width: number): number {
  let [sum, used] = [0, 0]
  for (let at = 0; at < base.length; at += width) {
    const own = base.subarray(at, at + width)
    const noise = varianceOf(own.map((x, i) => (compressed[at + i] ?? NaN) - x))
    const variance = varianceOf(own)
    if (variance === 0 && noise !== 0) continue
    sum += variance === 0 ? 0 : noise / variance
    used++
  }
  return used === 0 ? NaN : sum / used
}

export const snr = defineScore({
  id: 'snr',
  title: TITLE,
  summary: 'How far hidden states stand above noise of their own spread: blocks of low ratio feel errors more.',
  cite: 'Khadangi et al. 2025, Noise Augmented Fine Tuning for Mitigating Hallucinations in Large Language Models (NoiseFiT), layer selection',
  formula: 'SNR = E|h| / E|h’ - h|, h’ with noise scaled by the spread of each token; shown as -10 log10 SNR',
  cost: 'one forward pass; medians of a seeded sample of the vectors',
  needs: ['activations'],
  version: 1,
  params: z.object({
    noise: z.number().positive().max(10).default(0.1).describe('Standard deviation of the noise, as a share'),
    beta: z.number().min(0).max(10).default(0.1).describe('How much less noise falls on outliers'),
    vectors: z.int().min(16).max(65536).default(2048).describe('Vectors of each block at most'),
  }),
  per: (network) => hiddenStates(network).unit,
  values: (network) => valuesOf(hiddenStates(network), network, TITLE),
  start(network, { noise, beta, vectors }) {
    const { states } = hiddenStates(network)
    const samples = new Map(states.map(({ value }) => [value, new PositionSample(vectors)]))
    return {
      see: (values) => samples.forEach((sample, value) => sample.see(values[value], value)),
      finish() {
        const silent: string[] = []
        const values = states.map(({ key, value }) => {
          const sample = samples.get(value)
          const rows = sample?.rows ?? new Float32Array()
          requireFinite(rows, key, TITLE, network)
          const found = signalAndNoise(rows, sample?.width ?? 1, { noise, beta })
          if (found.signal === 0) silent.push(key)
          const ratio = found.signal / (found.noise + LEAST)
          const decibel = found.signal === 0 ? 0 : 10 * Math.log10(ratio)
          return { key, value: -decibel, parts: { SNR: ratio, dB: decibel, signal: found.signal, noise: found.noise } }
        })
        const notes = silent.length > 0 ? [`Only zeros come out of ${silent.join(', ')}: counted as 0 dB.`] : []
        return { values, notes }
      },
    }
  },
})
