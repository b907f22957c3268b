// Layerwise ultra-low-bit quantization (LUQ): entropy of each layer's output activations.
//   Bhatnagar, Xu, Tan and Ahuja 2025, "LUQ: Layerwise Ultra-Low Bit Quantization for Multimodal Large Language Models"
//   (layers with low entropy are quantized below 4 bits first; 100 clusters, where their ranking is stable)
//   Token vectors of a layer's output are clustered by k-means;  H = -sum_k p_k log2 p_k, p_k the share of cluster k
// The paper's layer is a whole transformer block, and so it is here; of networks without blocks, the input of each layer.
// Assumed where the text found does not say: vectors are clustered as they are, not normalised. Of images, a vector is what
// the channels say at one place. H grows with the logarithm of the number of clusters; 'of the most' is H / log2 K.
// Cost: one forward pass, then 25 rounds of k-means on at most `vectors` of them for each block, in WebAssembly.
import { z } from 'zod'
import { kmeans, nearestWords } from '../kernels/vectors/kmeans.ts'
import { defineScore } from './define.ts'
import { hiddenStates, PositionSample, requireFinite, valuesOf } from './hidden.ts'

const TITLE = 'Activation entropy (LUQ)'

/** -sum p log2 p of counts; 0 of nothing. */
export function entropyOf(counts: ArrayLike<number>): number {
  let [total, sum] = [0, 0]
  for (let k = 0; k < counts.length; k++) total += counts[k] ?? 0
  for (let k = 0; k < counts.length; k++) {
    const share = (counts[k] ?? 0) / total
    if (share > 0) sum -= share * Math.log2(share)
  }
  return sum
}

/** Entropy in bits of vectors [n, width] over `clusters` k-means clusters. */
export function clusterEntropy(data: Float32Array, width: number, clusters: number, seed = 0): number {
  const k = Math.min(clusters, data.length / width)
  const counts = new Uint32Array(k)
  for (const code of nearestWords({ data, dims: width }, kmeans({ data, dims: width }, { k, seed })).codes)
    counts[code] = (counts[code] ?? 0) + 1
  return entropyOf(counts)
}

export const luq = defineScore({
  id: 'luq',
  title: TITLE,
  summary: 'How many kinds of activation a block puts out: blocks of low entropy may go below 4 bits first.',
  cite: 'Bhatnagar et al. 2025, LUQ: Layerwise Ultra-Low Bit Quantization for Multimodal Large Language Models',
  formula: 'H = -sum p_k log2 p_k, p_k = share of token vectors in cluster k of 100 (k-means)',
  cost: 'one forward pass; k-means on a seeded sample of the vectors',
  needs: ['activations'],
  version: 1,
  params: z.object({
    clusters: z.int().min(2).max(1024).default(100).describe('Clusters of k-means'),
    vectors: z.int().min(64).max(65536).default(4096).describe('Vectors of each block that are clustered at most'),
  }),
  per: (network) => hiddenStates(network).unit,
  values: (network) => valuesOf(hiddenStates(network), network, TITLE),
  start(network, { clusters, vectors }) {
    const { states } = hiddenStates(network)
    const samples = new Map(states.map(({ value }) => [value, new PositionSample(vectors)]))
    return {
      see: (values) => samples.forEach((sample, value) => sample.see(values[value], value)),
      finish({ context, seed }) {
        const few: string[] = []
        const found = states.map(({ key, value }, index) => {
          context.progress({ fraction: index / states.length, step: key })
          const sample = samples.get(value)
          const [rows, width] = [sample?.rows ?? new Float32Array(), sample?.width ?? 1]
          requireFinite(rows, key, TITLE, network)
          const count = rows.length / width
          if (count < 10 * clusters) few.push(key)
          const entropy = clusterEntropy(rows, width, clusters, seed)
          return { key, value: entropy, parts: { 'of the most': entropy / Math.log2(clusters), vectors: count } }
        })
        const constant = found.filter((one) => one.value === 0).map(({ key }) => key)
        const notes = [
          ...(few.length > 0
            ? [
                `Fewer than ${10 * clusters} vectors for ${clusters} clusters: ${few.join(', ')}. More samples would tell more.`,
              ]
            : []),
          ...(constant.length > 0 ? [`Always the same activation: ${constant.join(', ')}.`] : []),
        ]
        return { values: found, notes }
      },
    }
  },
})
