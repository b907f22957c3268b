import { Fault } from '../../../src-preload/contract/fault.ts'
import { weightRows } from '../checkpoint/weights.ts'
import { readImportance } from '../probe/importance.ts'
import type { TaskContext, Tasks } from '../protocol.ts'
import { writeArtifact } from '../quantize/artifact.ts'
import { weightError } from '../quantize/dequantize.ts'
import { applyOption } from '../quantize/options.ts'
import { compressorOf } from '../quantize/compressors.ts'
import { contextFor } from '../quantize/weighted.ts'
import { cachedNetwork, layerOf } from './cache.ts'

/** Carries out one option on one layer and keeps the result as an artifact. */
export async function compressLayer(
  args: Tasks['compressLayer']['args'],
  context: TaskContext,
): Promise<Tasks['compressLayer']['result']> {
  const { option } = args
  const network = cachedNetwork(args.checkpoint, args.prepared)
  const layer = layerOf(network, args.layer)
  const quantizer = compressorOf(option.method)
  if (!layer.compressible || !quantizer)
    throw new Fault('bad-arguments', `${layer.name} cannot be compressed with "${option.id}".`, {
      data: { file: network.path, tensor: layer.name, found: option.method },
    })
  const source = weightRows(network, layer)
  const importance = args.importance === null ? null : readImportance(args.importance, network)
  const quantized = await applyOption(source, option, {
    ...contextFor(layer, option, importance),
    seed: args.seed,
    progress: (fraction) => context.progress({ fraction: fraction * 0.9, step: layer.name }),
  })
  const { relative } = weightError(source, quantized)
  const methodVersion = quantizer.version
  const { sha256, path, bytes } = writeArtifact(args.folder, quantized, { layer: layer.name, option, methodVersion })
  context.progress({ fraction: 1, step: layer.name })
  return { layer: layer.name, option, sha256, path, bytes, relativeError: relative }
}
