// WeLore's ranks against one rank share for all, at equal numbers: KL divergence to the original and perplexity or accuracy.
import { openNetwork } from '../../src-main/engine/checkpoint/open.ts'
import { readMatrix, toMemoryOrder } from '../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../src-main/engine/data/open.ts'
import { evaluateNetwork } from '../../src-main/engine/evaluate/evaluate.ts'
import { fullRank } from '../../src-main/engine/factorize/parameters.ts'
import { ranksAt, spectraOf } from '../../src-main/engine/factorize/welore.ts'
import { dequantize } from '../../src-main/engine/quantize/dequantize.ts'
import { applyOption } from '../../src-main/engine/quantize/options.ts'
import { dataPath } from '../helpers/data.ts'

const quiet = { progress: () => undefined, notify: () => undefined }

export async function benchWelore(): Promise<void> {
  for (const [model, data] of [
    ['stories260K', 'stories260K'],
    ['novels-5m', 'novels-5m'],
    ['vit-cifar10/vit_tiny_cifar10.onnx', 'vit-cifar10'],
  ] as const)
    await compare(model, data)
}

async function compare(model: string, data: string): Promise<void> {
  const network = openNetwork(dataPath(model))
  const dataset = await openDataset({ path: dataPath(data), split: 'auto' }, network)
  const spectra = await spectraOf(network)
  const layers = network.layers.filter(({ name }) => spectra.has(name))
  const whole = layers.reduce((sum, { rows, cols }) => sum + rows * cols, 0)
  const numbersAt = (ranks: ReadonlyMap<string, number>) =>
    layers.reduce((sum, { name, rows, cols }) => {
      const rank = ranks.get(name)
      return sum + (rank === undefined ? rows * cols : Math.min(rows * cols, rank * (rows + cols)))
    }, 0)
  const judge = async (ranks: ReadonlyMap<string, number>) => {
    const overrides = new Map<string, Float32Array>()
    for (const layer of layers) {
      const rank = ranks.get(layer.name)
      if (rank === undefined || rank * (layer.rows + layer.cols) >= layer.rows * layer.cols) continue
      const option = { id: 'svd', method: 'svd', bits: 16, parameters: { rank, width: 16 } }
      const made = await applyOption(readMatrix(network, layer), option, { layer: layer.name })
      overrides.set(layer.name, toMemoryOrder(layer, dequantize(made)))
    }
    const args = { network, dataset, part: 'evaluate', overrides, against: network, device: 'cpu', limit: 128 } as const
    const { metrics } = await evaluateNetwork(args, quiet)
    const { klDivergence, perplexity, top1 } = metrics
    const second = perplexity ?? top1
    return `KL ${klDivergence?.value.toFixed(4)} ${perplexity ? 'ppl' : 'top-1'} ${second?.value.toFixed(3)} (${overrides.size} factored)`
  }
  for (const ratio of [0.3, 0.5, 0.7]) {
    const ranks = ranksAt(spectra, layers, ratio)
    const numbers = numbersAt(ranks)
    // The largest share for all that takes no more.
    const uniformAt = (share: number) =>
      new Map(layers.map((layer) => [layer.name, Math.max(1, Math.round(share * fullRank(layer)))]))
    let [low, high] = [0, 1]
    for (let step = 0; step < 30; step++) {
      const middle = (low + high) / 2
      if (numbersAt(uniformAt(middle)) <= numbers) low = middle
      else high = middle
    }
    const uniform = uniformAt(low)
    console.log(`${model}, ${ratio} of the ranks cut, ${((100 * numbers) / whole).toFixed(1)} % of the numbers`)
    console.log(`  WeLore  ${await judge(ranks)}`)
    console.log(
      `  uniform ${await judge(uniform)}, share ${low.toFixed(3)}, ${((100 * numbersAt(uniform)) / whole).toFixed(1)} %`,
    )
  }
  network.source.close()
}
