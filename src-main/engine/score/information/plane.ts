// Information plane: what each block still knows of the input, I(X; T), and what of the label or output, I(T; Y).
//   Shwartz-Ziv and Tishby 2017, "Opening the Black Box of Deep Neural Networks via Information": the plane
//   Butakov et al. 2024, "Information Bottleneck Analysis of Deep Neural Networks via Lossy Compression": estimator 'lossy':
//   X and T compressed (principal components), T with noise, then KSG; with labels, Ross's variant (neighbours.ts)
//   Chelombiev et al. 2019, "Adaptive Estimators Show Information Compression in Deep Neural Networks": estimator 'bins'
//   (EBAB, 30 bins): a deterministic T has I(X; T) = H(T), and I(T; Y) = H(T) - H(T | Y)
// Bins fill up: where every point has a code of its own, both figures of 'bins' are log2 n and H(Y), whatever the layer does;
// a note says so. Both are always among the parts; the parameter chooses which are called I(X;T) and I(T;Y).
// X is the image itself, or what enters the first block (token embeddings); T what a block puts out (dse.ts).
// Value of a block: I(T; Y). Cost: one forward pass; n^3 4/3 (eigenvectors of n points: 5 n^3) and n^2 comparisons for each block.
import { z } from 'zod'
import type { ScoreValue } from '../../../../src-preload/contract/methods.ts'
import type { Network } from '../../checkpoint/network.ts'
import type { Batch } from '../../data/types.ts'
import type { TensorValue } from '../../runtime/types.ts'
import { defineScore } from '../define.ts'
import { type HiddenStates, hiddenStates, PairedSample, requireFinite, valuesOf } from '../hidden.ts'
import { adaptiveCodes, codeEntropies, principal, withNoise } from './compress.ts'
import { notesOn, targetOf } from './labels.ts'
import { continuousInformation, labelInformation } from './neighbours.ts'

const TITLE = 'Information plane'
const IMAGE = '#image' // the input itself among the sampled values
const MOST_PIXELS = 4096

const ofImages = ({ task }: Network) => task === 'image-classification' || task === 'image-features'

/** The batch's images as rows, at most so many numbers each, evenly picked. */
function imagesOf({ feeds, size }: Batch): TensorValue | undefined {
  const feed = Object.values(feeds).find(({ data, dims }) => data instanceof Float32Array && dims[0] === size)
  if (!(feed?.data instanceof Float32Array)) return undefined
  const each = feed.data.length / size
  const step = Math.ceil(each / MOST_PIXELS)
  const width = Math.ceil(each / step)
  const data = new Float32Array(size * width)
  for (let r = 0; r < size; r++)
    for (let c = 0; c < width; c++) data[r * width + c] = feed.data[r * each + c * step] ?? 0
  return { dtype: 'float32', dims: [size, width], data }
}

/** Graph value, or the images, that stands for X. */
const inputOf = (network: Network, { input, states }: HiddenStates): string =>
  ofImages(network) ? IMAGE : (input ?? states[0]?.value ?? '')

export const informationPlane = defineScore({
  id: 'information-plane',
  title: TITLE,
  summary: 'What each block keeps of the input and what it knows of the answer, in bits.',
  cite: 'Butakov et al. 2024, Information Bottleneck Analysis of Deep Neural Networks via Lossy Compression; Chelombiev et al. 2019, Adaptive Estimators Show Information Compression in Deep Neural Networks; Shwartz-Ziv and Tishby 2017',
  formula: 'I(X;T) and I(T;Y) by nearest neighbours (KSG) between principal components, or by adaptive bins',
  cost: 'one forward pass; eigenvectors and distances of some hundred points for each block',
  needs: ['activations'], // labels where the data has them, else kinds of outputs
  version: 1,
  params: z.object({
    estimator: z.enum(['lossy', 'bins']).default('lossy').describe('Which estimate is called I(X;T) and I(T;Y)'),
    components: z.int().min(1).max(16).default(4).describe('Principal components that are kept'),
    noise: z.number().min(1e-4).max(1).default(0.1).describe('Noise on T, as a share of its spread'),
    neighbours: z.int().min(1).max(32).default(5).describe('k of the nearest-neighbour estimate'),
    bins: z.int().min(2).max(256).default(30).describe('Bins of the adaptive histogram'),
    points: z.int().min(32).max(2048).default(512).describe('Samples at most'),
    clusters: z.int().min(2).max(100).default(10).describe('Kinds of outputs where the data has no classes'),
  }),
  per: (network) => hiddenStates(network).unit,
  values(network) {
    const found = hiddenStates(network)
    const names = valuesOf(found, network, TITLE)
    const input = inputOf(network, found)
    return input === IMAGE ? names : [...new Set([input, ...names])]
  },
  start(network, { estimator, components, noise, neighbours, bins, points, clusters }) {
    const found = hiddenStates(network)
    const { states } = found
    const input = inputOf(network, found)
    const sample = new PairedSample(points, [...new Set([input, ...states.map(({ value }) => value)])], network)
    return {
      see(values, batch) {
        const image = input === IMAGE ? imagesOf(batch) : undefined
        sample.see(image ? { ...values, [IMAGE]: image } : values, batch)
      },
      async finish({ context, seed }) {
        for (const { key, value } of states) requireFinite(sample.rows(value).data, key, TITLE, network)
        requireFinite(sample.rows(input).data, 'the input', TITLE, network)
        const target = targetOf(network, sample, sample.rows(states.at(-1)?.value ?? ''), clusters, seed)
        const x = await principal(sample.rows(input), components)
        const values: ScoreValue[] = []
        const [full, still]: [string[], string[]] = [[], []]
        for (const [index, { key, value }] of states.entries()) {
          context.progress({ fraction: index / states.length, step: key })
          const cloud = sample.rows(value)
          const plain = await principal(cloud, components)
          if (plain.data.every((number) => number === 0)) still.push(key)
          const t = withNoise(plain, noise, seed + index)
          const lossy = {
            x: continuousInformation(x, t, neighbours),
            y: target.classes > 1 ? labelInformation(t, target.labels, neighbours) : 0,
          }
          const { entropy, information } = codeEntropies(adaptiveCodes(cloud, bins), target.labels)
          const coded = { x: entropy, y: information }
          if (entropy > 0.99 * Math.log2(sample.kept)) full.push(key)
          const [chosen, other] = estimator === 'lossy' ? [lossy, coded] : [coded, lossy]
          const name = estimator === 'lossy' ? 'bins' : 'lossy'
          values.push({
            key,
            value: chosen.y,
            parts: {
              'I(X;T)': chosen.x,
              'I(T;Y)': chosen.y,
              [`I(X;T) by ${name}`]: other.x,
              [`I(T;Y) by ${name}`]: other.y,
            },
          })
        }
        const notes = [
          `Y: the ${target.what}, ${target.classes} kinds; ${sample.kept} points.`,
          ...notesOn(target, 'I(T;Y)'),
          ...(full.length > 0
            ? [`Bins tell nothing at ${full.join(', ')}: almost every point has a code of its own.`]
            : []),
          ...(still.length > 0 ? [`All points are the same at ${still.join(', ')}.`] : []),
        ]
        return { values, notes }
      },
    }
  },
})
