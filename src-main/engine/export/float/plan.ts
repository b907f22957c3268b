import type { Network } from '../../checkpoint/network.ts'
import { keepOption, optionsFor } from '../../quantize/options.ts'
import type { BytePlan } from '../define.ts'
import { fixedBytes, slotBytes } from '../folder/layout.ts'
import { keptEntry, networkShards } from '../packed/plan.ts'
import { offsetDigits } from '../safetensors/layout.ts'
import type { FloatParameters } from './write.ts'

/** Every option takes as many bytes as keeping the layer: what it stands for is written in floats. */
export function planFloat(network: Network, { dtype, shardGb }: FloatParameters): BytePlan {
  const digits = offsetDigits(network)
  const layerOf = new Map(network.layers.filter(({ compressible }) => compressible).map((layer) => [layer.name, layer]))
  let baseBytes = fixedBytes(networkShards(network, dtype, shardGb))
  const layers: BytePlan['layers'] = []
  for (const tensor of network.source.tensors.values()) {
    const bytes = slotBytes(network, [keptEntry(network, tensor, dtype)], digits)
    const layer = layerOf.get(tensor.name)
    if (layer === undefined) baseBytes += bytes
    else {
      const options = [...optionsFor(layer).filter(({ method }) => method !== 'keep'), keepOption]
      layers.push({ name: tensor.name, options: options.map((option) => ({ ...option, bytes })) })
    }
  }
  return { baseBytes, layers }
}
