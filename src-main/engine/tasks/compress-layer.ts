import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import { readMatrix } from '../checkpoint/weights.ts'
import type { TaskContext, Tasks } from '../protocol.ts'
import { writeArtifact } from '../quantize/artifact.ts'
import { weightError } from '../quantize/dequantize.ts'
import { applyOption } from '../quantize/options.ts'
import { quantizers } from '../quantize/registry.ts'
import { rowsOf, type WeightRows } from '../quantize/rows.ts'
import { cachedNetwork, layerOf } from './cache.ts'

/** A layer's weights, block by block where they lie in rows; where they lie in columns, read and turned once. */
function weightRows(network: Network, layer: Layer): WeightRows {
  if (layer.order === 'cols') return rowsOf(readMatrix(network, layer))
  const { rows, cols } = layer
  return { rows, cols, read: (begin, end) => readMatrix(network, layer, { begin, end }).data }
}

/** Carries out one option on one layer and keeps the result as an artifact. */
export function compressLayer(
  args: Tasks['compressLayer']['args'],
  context: TaskContext,
): Tasks['compressLayer']['result'] {
  const { option } = args
  const network = cachedNetwork(args.checkpoint)
  const layer = layerOf(network, args.layer)
  const quantizer = quantizers.find(({ id }) => id === option.method)
  if (!layer.compressible || !quantizer)
    throw new Fault('bad-arguments', `${layer.name} cannot be compressed with "${option.id}".`, {
      data: { file: network.path, tensor: layer.name, found: option.method },
    })
  const source = weightRows(network, layer)
  const quantized = applyOption(source, option, {
    layer: layer.name,
    progress: (fraction) => context.progress({ fraction: fraction * 0.9, step: layer.name }),
  })
  const { relative } = weightError(source, quantized)
  const methodVersion = quantizer.version
  const { sha256, path, bytes } = writeArtifact(args.folder, quantized, { layer: layer.name, option, methodVersion })
  context.progress({ fraction: 1, step: layer.name })
  return { layer: layer.name, option, sha256, path, bytes, relativeError: relative }
}
