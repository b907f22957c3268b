// The claim of LIM and ZD (Dumitru et al. 2024, section 4): blocks lowered to fewer bits in the order of the score, least
// important first, keep a model close to what it was for longer than blocks lowered in no order.
//   node test/bench/lim-order.ts [limit=32 windows, 8 times as many images] [random orders=12] [model]
// For every model and pair of widths: the share of blocks lowered, one by one in each order, while the perplexity (of a
// classifier: e^cross-entropy) stays within 5 % of the model with all blocks at the higher width. Random orders: mean, range,
// and how many of them stay within 5 % with a quarter of the blocks lowered. Rounding as in the paper: the scale is the
// largest magnitude of a tensor, an output channel or a group, without a search; one pair with Lathe's search beside it.
import { pathToFileURL } from 'node:url'
import type { Layer, Network } from '../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../src-main/engine/checkpoint/open.ts'
import { readMatrix, toMemoryOrder } from '../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../src-main/engine/data/open.ts'
import { random } from '../../src-main/engine/data/random.ts'
import type { Dataset } from '../../src-main/engine/data/types.ts'
import { evaluateNetwork } from '../../src-main/engine/evaluate/evaluate.ts'
import { dequantize } from '../../src-main/engine/quantize/dequantize.ts'
import { applyPlain } from '../../src-main/engine/quantize/options.ts'
import { measureScores } from '../../src-main/engine/score/measure.ts'
import { dataPath, hasData, skipReason } from '../helpers/data.ts'

const quiet = { progress: () => undefined, notify: () => undefined }
const WITHIN = 1.05

interface Widths {
  high: number
  low: number
  granularity: 'tensor' | 'channel' | 'group'
  groupSize?: number
  search: 'none' | 'mse'
}

const pairs: Widths[] = [
  { high: 8, low: 4, granularity: 'tensor', search: 'none' },
  { high: 8, low: 4, granularity: 'channel', search: 'none' },
  { high: 8, low: 3, granularity: 'channel', search: 'none' },
  { high: 4, low: 2, granularity: 'group', groupSize: 32, search: 'none' },
  { high: 8, low: 4, granularity: 'channel', search: 'mse' },
]
const nameOf = ({ high, low, granularity, groupSize, search }: Widths) =>
  `${high} -> ${low} bits, ${granularity}${groupSize === undefined ? '' : ` of ${groupSize}`}, ${search === 'none' ? 'largest magnitude' : 'searched'}`

type Weights = ReadonlyMap<string, Float32Array>

/** A model, its blocks' weights at a width, and what it then costs. */
class Subject {
  readonly network: Network
  readonly dataset: Dataset
  readonly limit: number
  readonly #weights = new Map<string, Weights>()
  readonly #costs = new Map<string, Promise<number>>()

  constructor(network: Network, dataset: Dataset, limit: number) {
    this.network = network
    this.dataset = dataset
    this.limit = limit
  }

  get blocks(): number[] {
    return this.network.blocks.map(({ index }) => index)
  }

  #block(block: number, bits: number, widths: Widths): Weights {
    const { granularity, groupSize, search } = widths
    const key = `${block} ${bits} ${nameOf(widths)}`
    const known = this.#weights.get(key)
    if (known) return known
    const parameters = { granularity, ...(groupSize && { groupSize }), symmetric: true, search }
    const option = { id: key, method: 'rtn', bits, parameters }
    const own = this.network.layers.filter((layer: Layer) => layer.compressible && layer.block === block)
    const made = new Map(own.map((layer) => [layer.name, toMemoryOrder(layer, dequantize(applyPlain(readMatrix(this.network, layer), option, { layer: layer.name })))])) // prettier-ignore
    this.#weights.set(key, made)
    return made
  }

  /** Perplexity with these blocks at the lower width and all others at the higher one. */
  cost(lowered: readonly number[], widths: Widths): Promise<number> {
    const key = `${nameOf(widths)}: ${lowered.toSorted((a, b) => a - b).join()}`
    const known = this.#costs.get(key)
    if (known) return known
    const made = this.#measure(new Set(lowered), widths)
    this.#costs.set(key, made)
    return made
  }

  async #measure(lowered: ReadonlySet<number>, widths: Widths): Promise<number> {
    const { network, dataset, limit } = this
    const overrides = new Map(this.blocks.flatMap((block) => [...this.#block(block, lowered.has(block) ? widths.low : widths.high, widths)])) // prettier-ignore
    const { metrics } = await evaluateNetwork({ network, dataset, part: 'evaluate', overrides, device: 'cpu', limit }, quiet) // prettier-ignore
    return Math.exp(metrics.crossEntropy?.value ?? NaN)
  }

  /** Share of the blocks lowered in this order before the cost leaves 5 %. */
  async share(order: readonly number[], widths: Widths): Promise<number> {
    const base = await this.cost([], widths)
    if ((await this.cost(order, widths)) <= WITHIN * base) return 1 // all of them: any order will do
    for (let count = 1; count < order.length; count++)
      if (!((await this.cost(order.slice(0, count), widths)) <= WITHIN * base)) return (count - 1) / order.length
    return (order.length - 1) / order.length
  }
}

/** Whether the cost stays within 5 % with the first quarter of an order lowered. */
async function quarterHolds(subject: Subject, order: readonly number[], widths: Widths): Promise<boolean> {
  const first = order.slice(0, Math.ceil(order.length / 4))
  return (await subject.cost(first, widths)) <= WITHIN * (await subject.cost([], widths))
}

/** Blocks by a score, least important first. */
async function orderBy(method: string, { network, dataset }: Subject): Promise<number[]> {
  const [result] = await measureScores({ network, dataset, device: 'cpu' }, [{ method, parameters: {} }], quiet)
  const values = (result?.values ?? []).toSorted((a, b) => a.value - b.value)
  return values.map(({ key }) => Number(key))
}

function shuffled(blocks: readonly number[], seed: number): number[] {
  const { uniform } = random(seed)
  return blocks.map((block) => ({ block, at: uniform() })).sort((a, b) => a.at - b.at).map(({ block }) => block) // prettier-ignore
}

const percent = (share: number) => `${Math.round(100 * share)} %`

export async function benchLimOrder(limit = 32, orders = 12, only?: string): Promise<void> {
  if (!hasData) return console.log(`lim-order skipped: ${skipReason}`)
  const models: [string, string, number][] = [
    ['novels-5m', 'novels-5m', limit],
    ['stories260K', 'stories260K', limit],
    ['vit-cifar10/vit_tiny_cifar10.onnx', 'vit-cifar10', 8 * limit],
  ]
  console.log(
    `share of blocks lowered while perplexity stays within 5 %; random orders: mean (least - most) of ${orders}`,
  )
  for (const [model, data, samples] of models) {
    if (only !== undefined && !model.startsWith(only)) continue
    const network = openNetwork(dataPath(model))
    const dataset = await openDataset({ path: dataPath(data), split: 'auto' }, network)
    const subject = new Subject(network, dataset, samples)
    const scored = { lim: await orderBy('lim', subject), zd: await orderBy('zd', subject) }
    console.log(`${model}: LIM order ${scored.lim.join(' ')}; ZD order ${scored.zd.join(' ')}`)
    for (const widths of pairs) {
      const [lim, zd] = [await subject.share(scored.lim, widths), await subject.share(scored.zd, widths)]
      const random = Array.from({ length: orders }, (_, i) => shuffled(subject.blocks, i + 1))
      const [none, quarters]: [number[], boolean[]] = [[], []]
      for (const order of random) {
        none.push(await subject.share(order, widths))
        quarters.push(await quarterHolds(subject, order, widths))
      }
      const quarter = [await quarterHolds(subject, scored.lim, widths), await quarterHolds(subject, scored.zd, widths)]
      const mean = none.reduce((sum, share) => sum + share, 0) / none.length
      const [base, all] = [await subject.cost([], widths), await subject.cost(subject.blocks, widths)]
      console.log(
        `  ${nameOf(widths).padEnd(48)} LIM ${percent(lim)}  ZD ${percent(zd)}  random ${percent(mean)} (${percent(Math.min(...none))} - ${percent(Math.max(...none))})  ` +
          `a quarter holds: LIM ${quarter[0] ? 'yes' : 'no'}, ZD ${quarter[1] ? 'yes' : 'no'}, random ${quarters.filter(Boolean).length} of ${orders}  ` +
          `perplexity ${base.toFixed(3)} to ${all.toFixed(3)}`,
      )
    }
    network.source.close()
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [limit, orders, only] = process.argv.slice(2)
  await benchLimOrder(limit ? Number(limit) : undefined, orders ? Number(orders) : undefined, only)
}
