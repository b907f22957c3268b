// Cross-layer dependency (Q-VLM): which consecutive layers' rounding errors act on one another and are searched together.
//   Wang et al. 2024, "Q-VLM: Post-training Quantization for Large Vision-Language Models": the entropy of the
//   activations goes with the dependency between layers, and so decides which of them form one block of the search.
//   H_i = -sum_l p_l log2 p_l,  p_l: share of the activations that enter layer i at level l of 2^bits between min and max
// Layers that read the same activation (q, k, v; gate, up) are one step. What a step hands on to the next is measured by the
// entropy of what enters the next: dependency(i, i + 1) = H_{i+1} / max H, without the network's own input. Steps whose dependency reaches `threshold` join, at
// most `depth` of them. Assumed, since the text found gives no numbers for networks of other kinds: threshold 0.9 of the
// largest entropy, depth 3, levels between the extremes seen.
// Cost: one forward pass; a histogram over a seeded sample of `vectors` vectors for each step.
import { z } from 'zod'
import type { ScoreMap, ScoreValue } from '../../../src-preload/contract/methods.ts'
import { findSites } from '../activate/sites.ts'
import type { Network } from '../checkpoint/network.ts'
import { defineScore } from './define.ts'
import { PositionSample, requireFinite, valuesOf } from './hidden.ts'
import { entropyOf } from './luq.ts'

const TITLE = 'Cross-layer dependency (Q-VLM)'
const MOST_SQUARE = 96 // steps of a map that is drawn as a square

interface Step {
  key: string // its first layer
  value: string
  layers: string[]
}

/** Activations in order of use with the layers that read them. */
function stepsOf(network: Network): Step[] {
  if (network.graph === null) return []
  const steps = new Map<string, Step>()
  for (const { layer, layers, value, graph } of findSites(network, network.graph, 'all')) {
    if (graph !== network.graph) continue
    const known = steps.get(value)
    if (known) known.layers.push(...layers)
    else steps.set(value, { key: layer, value, layers: [...layers] })
  }
  return [...steps.values()]
}

/** Entropy in bits of numbers rounded to 2^bits levels between their extremes; 0 where all are the same. */
export function levelEntropy(data: Float32Array, bits: number): number {
  let [low, high] = [Infinity, -Infinity]
  for (const x of data) {
    if (x < low) low = x
    if (x > high) high = x
  }
  const counts = new Uint32Array(2 ** bits)
  const scale = high > low ? (counts.length - 1) / (high - low) : 0
  for (const x of data) {
    const level = Math.round((x - low) * scale)
    counts[level] = (counts[level] ?? 0) + 1
  }
  return entropyOf(counts)
}

/** The largest entropy that one step hands on to another: the network's own input is none. */
const mostOf = (entropies: readonly number[]) => Math.max(0, ...entropies.slice(1))

/** Which search block each step belongs to, from the entropies of what enters them. */
export function joinSteps(entropies: readonly number[], threshold: number, depth: number): number[] {
  const most = mostOf(entropies)
  let [block, length] = [0, 0]
  return entropies.map((entropy, index) => {
    const joins = index > 0 && most > 0 && entropy >= threshold * most && length < depth
    if (index > 0 && !joins) block++
    length = joins ? length + 1 : 1
    return block
  })
}

export const qvlm = defineScore({
  id: 'qvlm',
  title: TITLE,
  summary: 'How much a layer hands on: consecutive layers with high activation entropy are planned together.',
  cite: 'Wang et al. 2024, Q-VLM: Post-training Quantization for Large Vision-Language Models',
  formula:
    'H = -sum p_l log2 p_l over 2^bits levels of a layer’s input; steps with H >= threshold max H join the one before',
  cost: 'one forward pass; histograms of a seeded sample',
  needs: ['activations'],
  version: 1,
  params: z.object({
    bits: z.int().min(2).max(12).default(8).describe('Levels of the histogram, as bits'),
    threshold: z.number().min(0).max(1).default(0.9).describe('Share of the largest entropy from which steps join'),
    depth: z.int().min(1).max(16).default(3).describe('Steps of a search block at most'),
    vectors: z.int().min(16).max(65536).default(1024).describe('Activation vectors of each step that are counted'),
  }),
  per: () => 'layer',
  values: (network) => valuesOf({ unit: 'layer', states: stepsOf(network), input: null }, network, TITLE),
  start(network, { bits, threshold, depth, vectors }) {
    const steps = stepsOf(network)
    const samples = steps.map(() => new PositionSample(vectors))
    return {
      see: (values) => steps.forEach(({ value }, index) => samples[index]?.see(values[value], value)),
      finish() {
        const entropies = steps.map(({ key }, index) => {
          const rows = samples[index]?.rows ?? new Float32Array()
          requireFinite(rows, key, TITLE, network)
          return levelEntropy(rows, bits)
        })
        const most = mostOf(entropies)
        const blocks = joinSteps(entropies, threshold, depth)
        const dependency = (index: number) => (most > 0 ? (entropies[index] ?? 0) / most : 0)
        const values = steps.flatMap(({ layers }, index): ScoreValue[] =>
          layers.map((key) => ({
            key,
            value: entropies[index] ?? 0,
            parts: {
              entropy: entropies[index] ?? 0,
              ...(index > 0 && { 'dependency on the step before': dependency(index) }),
              'search block': blocks[index] ?? 0,
            },
          })),
        )
        const joined = [...Map.groupBy(steps, (_, index) => blocks[index] ?? 0).values()].filter(
          (own) => own.length > 1,
        )
        const notes = [
          joined.length === 0
            ? 'No two consecutive steps depend on one another.'
            : `${joined.length} search blocks: ${joined.map((own) => own.map(({ layers }) => layers.join(', ')).join(' > ')).join('; ')}.`,
        ]
        return { values, maps: [mapOf(steps, dependency)], notes }
      },
    }
  },
})

function mapOf(steps: readonly Step[], dependency: (index: number) => number): ScoreMap {
  const rows = steps.map(({ key }) => key)
  const square = steps.length <= MOST_SQUARE
  return {
    title: 'Dependency of steps on those before',
    rows,
    cols: square ? rows : ['the step before'],
    values: square
      ? rows.flatMap((_, row) => rows.map((_, col) => (row === col + 1 ? dependency(row) : 0)))
      : rows.map((_, row) => (row > 0 ? dependency(row) : 0)),
  }
}
