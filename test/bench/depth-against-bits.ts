// Blocks left out against fewer bits at equal bytes (Dumitru et al. 2024, section 4.4: pruning loses to low bits, except at two
// bits).
//   node test/bench/depth-against-bits.ts [model=novels-5m] [windows=16] [blocks left out at most=3]
// Blocks go in the greedy order of their measured losses on calibration data. Every depth is tried with all layers at one
// width; the KL divergence to the float32 model is measured on other text, the bytes are those of the packed safetensors
// file. The last column compares with bits alone at the same bytes (ln KL between the nearest widths on a line).
import { pathToFileURL } from 'node:url'
import { readMatrix, toMemoryOrder } from '../../src-main/engine/checkpoint/weights.ts'
import { evaluateNetwork } from '../../src-main/engine/evaluate/evaluate.ts'
import type { Prepared } from '../../src-main/engine/protocol.ts'
import { dequantize } from '../../src-main/engine/quantize/dequantize.ts'
import { applyPlain } from '../../src-main/engine/quantize/options.ts'
import { cachedDataset, cachedNetwork } from '../../src-main/engine/tasks/cache.ts'
import { depth } from '../../src-main/engine/tasks/depth.ts'
import { options } from '../../src-main/engine/tasks/options.ts'
import { dataPath, hasData, skipReason } from '../helpers/data.ts'

const quiet = { progress: () => undefined, notify: () => undefined }
const widths = [8, 6, 5, 4, 3, 2]

interface Point {
  bytes: number
  kl: number
}

/** All layers at one width, without these blocks. */
async function measure(checkpoint: string, removed: number[], bits: number, windows: number): Promise<Point> {
  const prepared: Prepared[] = removed.length === 0 ? [] : [{ method: 'remove-blocks', parameters: { blocks: removed }, seed: 0, file: null }] // prettier-ignore
  const plan = await options({ checkpoint, format: 'safetensors', prepared, quantizer: null, levers: [], also: [] })
  const network = cachedNetwork(checkpoint, prepared)
  const layers = new Map(network.layers.map((layer) => [layer.name, layer]))
  const overrides = new Map<string, Float32Array>()
  let bytes = plan.baseBytes
  for (const { name, options: offered } of plan.layers) {
    const layer = layers.get(name)
    const option = offered.find((each) => each.bits === bits)
    if (!layer || !option) throw new Error(`${name} has no option of ${bits} bits`)
    bytes += option.bytes
    overrides.set(
      name,
      toMemoryOrder(layer, dequantize(applyPlain(readMatrix(network, layer), option, { layer: name }))),
    )
  }
  const dataset = await cachedDataset(checkpoint, { path: checkpoint, split: 'auto' })
  const against = cachedNetwork(checkpoint)
  const { metrics } = await evaluateNetwork({ network, dataset, part: 'evaluate', overrides, against, device: 'cpu', limit: windows }, quiet) // prettier-ignore
  return { bytes, kl: metrics.klDivergence?.value ?? NaN }
}

/** KL of bits alone at these bytes; null outside of what was measured. */
function bitsAlone(points: readonly Point[], bytes: number): number | null {
  const sorted = points.toSorted((a, b) => a.bytes - b.bytes)
  const above = sorted.findIndex((point) => point.bytes >= bytes)
  const [a, b] = [sorted[above - 1], sorted[above]]
  if (!a || !b) return null
  const share = (bytes - a.bytes) / (b.bytes - a.bytes)
  return Math.exp(Math.log(a.kl) + share * (Math.log(b.kl) - Math.log(a.kl)))
}

export async function benchDepthAgainstBits(model = 'novels-5m', windows = 16, most = 3): Promise<void> {
  if (!hasData) return console.log(`depth-against-bits skipped: ${skipReason}`)
  const checkpoint = dataPath(model)
  const data = { path: checkpoint, split: 'auto' as const }
  const chain: number[][] = [[]]
  for (let step = 0; step < most; step++) {
    const removed = chain.at(-1) ?? []
    const { candidates } = await depth({ checkpoint, data, removed, samples: 8, device: 'cpu' }, quiet)
    const [best] = candidates.toSorted((a, b) => a.loss - b.loss)
    if (best) chain.push([...removed, best.block])
  }
  console.log(`${model}: blocks left out in the order ${chain.at(-1)?.map((block) => block + 1).join(', ')}; ${windows} windows`) // prettier-ignore
  const alone: Point[] = []
  for (const removed of chain) {
    for (const bits of widths) {
      const point = await measure(checkpoint, removed, bits, windows)
      if (removed.length === 0) alone.push(point)
      const equal = removed.length === 0 ? null : bitsAlone(alone, point.bytes)
      const verdict = equal === null ? '' : `bits alone ${equal.toFixed(4)}: ${point.kl < equal ? 'depth is better' : 'bits are better'}` // prettier-ignore
      console.log(`  ${removed.length} left out, ${bits} bits  ${`${point.bytes}`.padStart(9)} B  KL ${point.kl.toFixed(4)}  ${verdict}`) // prettier-ignore
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [model, windows, most] = process.argv.slice(2)
  await benchDepthAgainstBits(model, windows ? Number(windows) : undefined, most ? Number(most) : undefined)
}
