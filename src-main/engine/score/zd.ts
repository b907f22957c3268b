// Z-score distribution (ZD).
//   Dumitru et al. 2024, "Layer-Wise Quantization: A Pragmatic and Effective Method for Quantizing LLMs Beyond Integer
//   Bit-Levels", section 3.2
//   z = (w - mean) / deviation     ZD(i) = |{ w in layer i: z > 1 }| / N_i
// The fewer weights stand out, the more the layer matters: the value given here is -ZD, so that higher matters more. The
// paper's layer is a whole block; networks without blocks are scored tensor by tensor.
// Cost: two passes over the weights, one part of a tensor in memory. Needs weights only.
import { z } from 'zod'
import type { Layer, Network } from '../checkpoint/network.ts'
import { readFloat32 } from '../checkpoint/weights.ts'
import { defineScore } from './define.ts'
import { addMoments, countAbove, noMoments, thresholdOf } from './outliers.ts'

const PART = 1 << 22 // weights at a time

function* partsOf(network: Network, layers: readonly Layer[]): Generator<Float32Array> {
  for (const { name, parameters } of layers) {
    for (let begin = 0; begin < parameters; begin += PART) {
      yield readFloat32(network, name, { begin, end: Math.min(begin + PART, parameters) })
    }
  }
}

/** What is scored together: the compressible weights of each block, or each on its own. */
function groupsOf(network: Network): { key: string; layers: Layer[] }[] {
  const weights = network.layers.filter((layer) => layer.compressible)
  if (network.blocks.length === 0) return weights.map((layer) => ({ key: layer.name, layers: [layer] }))
  return network.blocks
    .map(({ index }) => ({ key: `${index}`, layers: weights.filter((layer) => layer.block === index) }))
    .filter(({ layers }) => layers.length > 0)
}

export const zd = defineScore({
  id: 'zd',
  title: 'Z-score distribution (ZD)',
  summary: 'Share of weights far above the mean; blocks with few of them matter more. Needs no data.',
  cite: 'Dumitru et al. 2024, Layer-Wise Quantization: A Pragmatic and Effective Method for Quantizing LLMs Beyond Integer Bit-Levels, section 3.2',
  formula: 'ZD = share of weights with (w - mean) / deviation > 1; shown as -ZD',
  cost: 'two passes over the weights',
  needs: ['weights'],
  version: 1,
  params: z.object({}),
  per: (network) => (network.blocks.length > 0 ? 'block' : 'layer'),
  values: () => [],
  start: (network) => ({
    see: () => undefined,
    finish({ context }) {
      const groups = groupsOf(network)
      const values = groups.map(({ key, layers }, index) => {
        context.progress({ fraction: index / groups.length, step: layers[0]?.name ?? key })
        let moments = noMoments()
        for (const part of partsOf(network, layers)) moments = addMoments(moments, part)
        const threshold = thresholdOf(moments, 1)
        let above = 0
        for (const part of partsOf(network, layers)) above += countAbove(part, threshold)
        return { key, value: above === 0 ? 0 : -above / moments.count }
      })
      return { values }
    },
  }),
})
