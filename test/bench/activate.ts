// Rounded activations on real models, float weights: KL divergence to the original, and CrossQuant's quantization kernel
// beside that of a scale per token.
import { openNetwork } from '../../src-main/engine/checkpoint/open.ts'
import { openDataset } from '../../src-main/engine/data/open.ts'
import { evaluateNetwork } from '../../src-main/engine/evaluate/evaluate.ts'
import { measureKernel } from '../../src-main/engine/activate/kernel.ts'
import { preparationOf } from '../../src-main/engine/prepare/apply.ts'
import { dataPath, hasData, skipReason } from '../helpers/data.ts'

const quiet = { progress: () => undefined, notify: () => undefined }
const models = [
  ['stories260K', 'stories260K', 16],
  ['novels-5m', 'novels-5m', 16],
  ['vit-cifar10/vit_tiny_cifar10.onnx', 'vit-cifar10', 512],
  ['cifar10/resnet20.onnx', 'cifar10', 512],
  ['mobilenet/mobilenet_v1_0.5_160.onnx', 'mobilenet', 128],
] as const
const contenders: [string, Record<string, unknown>][] = [
  ['int-token', {}],
  ['crossquant', { columns: 'fitted' }],
  ['crossquant', { columns: 'calibrated' }],
  ['int-tensor', {}],
  ['int-group', {}],
]
const caches: Record<string, unknown>[] = [
  { keys: 'token', rotary: 'after' },
  { keys: 'channel', rotary: 'after' },
  { keys: 'channel', rotary: 'before' },
]

export async function benchActivate(): Promise<void> {
  if (!hasData) {
    console.log(skipReason)
    return
  }
  for (const [file, data, limit] of models) {
    const network = openNetwork(dataPath(...file.split('/')))
    const dataset = await openDataset({ path: dataPath(data), split: 'auto' }, network)
    const args = { network, dataset, samples: 32, seed: 1, device: 'cpu' as const }
    const judge = async (id: string, parameters: Record<string, unknown>) => {
      const method = preparationOf(id)
      if (method.refuses(network, parameters) !== null) return
      const measured = (await method.measure?.(args, parameters, quiet)) ?? null
      const made = method.apply(network, parameters, { seed: 1, measured })
      const given = { network: made, dataset, part: 'evaluate' as const, overrides: null, against: network }
      const { metrics, samplesPerSecond } = await evaluateNetwork({ ...given, device: 'cpu', limit }, quiet)
      const kl = metrics['klDivergence']?.value.toExponential(2)
      console.log(`  ${id} ${JSON.stringify(parameters)}: KL ${kl}, ${samplesPerSecond.toFixed(1)} samples/s`)
    }
    console.log(file)
    for (const bits of [8, 4]) {
      for (const [id, parameters] of contenders) await judge(id, { bits, ...parameters })
      for (const parameters of caches) await judge('kv-cache', { bits, ...parameters })
      for (const columns of ['fitted', 'calibrated'] as const) {
        const { total } = await measureKernel({ ...args, samples: 8 }, { bits, columns }, quiet)
        console.log(
          `  kernel at ${bits} bits, ${columns}: per token ${total.perToken.toFixed(4)}, CrossQuant ${total.crossQuant.toFixed(4)}, zeros ${total.zeros.toFixed(4)}`,
        )
      }
    }
    await judge('fp8', {})
    network.source.close()
  }
}
