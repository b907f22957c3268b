// Rank of attention maps (ARank): layers whose maps are of low rank are redundant.
//   Luo et al. 2024, "gamma-MoD: Exploring Mixture-of-Depth Adaptation for Multimodal Large Language Models":
//   ARank_l = 1 / (n n_h) sum over samples and heads of rank(A_h)
// A are the probabilities behind Softmax, as they are in the graph. A causal map with its positive diagonal is of full rank in
// exact arithmetic, so rank means the singular values above `tolerance` of the largest one; the text found gives no tolerance.
// Singular values come from a float32 Gram matrix, which is why the tolerance is at least 1e-3 (kernels/linear/eigen.ts).
// Cost: one forward pass that gives out every attention map (batch x heads x tokens^2 floats for each block), then 4/3 T^3
// operations for each of `maps` samples x heads, T at most `tokens`: the leading corner of larger maps.
import { z } from 'zod'
import type { Network } from '../../checkpoint/network.ts'
import { singularValues } from '../../kernels/linear/eigen.ts'
import type { TensorValue } from '../../runtime/types.ts'
import { defineScore } from '../define.ts'
import { floatsOf, requireFinite, Reservoir } from '../hidden.ts'
import { attentionPlaces } from './attentions.ts'

const TITLE = 'Rank of attention maps (ARank)'

interface MapSize {
  heads: number
  rows: number
  cols: number
}

/** Samples and heads of probabilities [samples, heads, rows, cols] or [samples * heads, rows, cols]. */
function sizeOf({ dims }: TensorValue, samples: number): MapSize & { samples: number } {
  const [rows = 1, cols = 1] = dims.slice(-2)
  const leading = dims.slice(0, -2)
  const all = leading.reduce((product, dim) => product * dim, 1)
  const heads = leading.length > 1 ? (leading.at(-1) ?? 1) : all % samples === 0 ? all / samples : all
  return { samples: all / heads, heads, rows, cols }
}

/** Leading corner of one map. */
function corner(data: Float32Array, at: number, { rows, cols }: MapSize, most: number): Float32Array {
  const [height, width] = [Math.min(rows, most), Math.min(cols, most)]
  const out = new Float32Array(height * width)
  for (let r = 0; r < height; r++) out.set(data.subarray(at + r * cols, at + r * cols + width), r * width)
  return out
}

/** Singular values above `tolerance` of the largest of a matrix [rows, cols]; 0 of zeros. */
export async function numericRank(map: Float32Array, rows: number, cols: number, tolerance: number): Promise<number> {
  const values = await singularValues(map, rows, cols)
  const least = tolerance * (values[0] ?? 0)
  return values.reduce((count, value) => count + Number(value > least), 0)
}

class Maps {
  readonly maps = new Map<number, { heads: Float32Array[]; cols: number }>() // by place in the reservoir

  size: MapSize = { heads: 0, rows: 0, cols: 0 }
  cropped = false
  readonly #reservoir: Reservoir

  constructor(limit: number) {
    this.#reservoir = new Reservoir(limit)
  }

  see(tensor: TensorValue | undefined, name: string, samples: number, most: number): void {
    const data = floatsOf(tensor, name)
    const { samples: count, ...size } = sizeOf(tensor ?? { dtype: 'float32', dims: [], data }, samples)
    const area = size.rows * size.cols
    this.size = { ...size, rows: Math.min(size.rows, most), cols: Math.min(size.cols, most) }
    this.cropped ||= size.rows > most || size.cols > most
    for (const { from, to } of this.#reservoir.next(count))
      this.maps.set(to, {
        heads: Array.from({ length: size.heads }, (_, head) =>
          corner(data, (from * size.heads + head) * area, size, most),
        ),
        cols: this.size.cols,
      })
  }
}

async function ranksOf(one: Maps, key: string, tolerance: number, network: Network): Promise<number[]> {
  const sums = new Array<number>(one.size.heads).fill(0)
  for (const { heads, cols } of one.maps.values())
    for (const [head, map] of heads.entries()) {
      requireFinite(map, `${key}, head ${head}`, TITLE, network)
      sums[head] = (sums[head] ?? 0) + (await numericRank(map, map.length / cols, cols, tolerance))
    }
  return sums.map((sum) => sum / one.maps.size)
}

export const arank = defineScore({
  id: 'arank',
  title: TITLE,
  summary: 'How many independent rows the attention maps of a block have: blocks with few are redundant.',
  cite: 'Luo et al. 2024, gamma-MoD: Exploring Mixture-of-Depth Adaptation for Multimodal Large Language Models',
  formula: 'ARank = mean over samples and heads of rank(A), singular values above a share of the largest counted',
  cost: 'one forward pass that gives out all attention maps; singular values of some of them',
  needs: ['attention'],
  version: 1,
  params: z.object({
    tolerance: z.number().min(1e-3).max(0.5).default(0.01).describe('Share of the largest singular value that counts'),
    maps: z.int().min(1).max(256).default(8).describe('Samples whose maps are looked at'),
    tokens: z.int().min(8).max(2048).default(256).describe('Leading tokens of a map at most'),
  }),
  per: (network) => attentionPlaces(network, TITLE).unit,
  values: (network) => attentionPlaces(network, TITLE).places.map(({ probabilities }) => probabilities),
  start(network, { tolerance, maps, tokens }) {
    const { places } = attentionPlaces(network, TITLE)
    const kept = places.map(() => new Maps(maps))
    return {
      see: (values, { size }) =>
        places.forEach(({ probabilities }, index) =>
          kept[index]?.see(values[probabilities], probabilities, size, tokens),
        ),
      async finish({ context }) {
        const values = []
        for (const [index, { key }] of places.entries()) {
          context.progress({ fraction: index / places.length, step: key })
          const one = kept[index] ?? new Maps(0)
          const heads = await ranksOf(one, key, tolerance, network)
          const value = heads.reduce((sum, rank) => sum + rank, 0) / Math.max(1, heads.length)
          const parts = Object.fromEntries(heads.map((rank, head) => [`head ${head}`, rank]))
          const most = Math.min(one.size.rows, one.size.cols)
          values.push({ key, value, parts: { 'share of full rank': value / most, ...parts } })
        }
        const cropped = kept.some((one) => one.cropped)
        const notes = [
          `Rank: singular values above ${tolerance} of the largest, of maps ${kept[0]?.size.rows} x ${kept[0]?.size.cols}.`,
          ...(cropped ? [`Only the first ${tokens} tokens of longer maps were looked at.`] : []),
        ]
        return { values, notes }
      },
    }
  },
})
