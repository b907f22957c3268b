// Layer input modification (LIM).
//   Dumitru et al. 2024, "Layer-Wise Quantization: A Pragmatic and Effective Method for Quantizing LLMs Beyond Integer
//   Bit-Levels", section 3.1
//   LIM(i) = -(L_in . L_out) / (|L_in| |L_out|), mean over the embeddings of calibration data
// Higher = the block turns its input further = it matters more. A block that changes the shape of its input (a CNN's
// first block of a stage) has no cosine; it counts as a quarter turn, 0.
// Cost: one forward pass. Needs activations.
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import { flowOf } from '../probe/flow.ts'
import { sumOfCosines } from './cosine.ts'
import { defineScore } from './define.ts'

const pairsOf = (network: Network) =>
  flowOf(network).flatMap(({ index, input, output }) => (input && output ? [{ index, input, output }] : []))

export const lim = defineScore({
  id: 'lim',
  title: 'Layer input modification (LIM)',
  summary: 'How far each block turns the activations that pass through it: blocks that change little take fewer bits.',
  cite: 'Dumitru et al. 2024, Layer-Wise Quantization: A Pragmatic and Effective Method for Quantizing LLMs Beyond Integer Bit-Levels, section 3.1',
  formula: 'LIM = -mean cos(block input, block output)',
  cost: 'one forward pass over the calibration samples',
  needs: ['activations'],
  version: 1,
  params: z.object({}),
  per: () => 'block',
  values(network) {
    const pairs = pairsOf(network)
    if (pairs.length > 0) return pairs.flatMap(({ input, output }) => [input, output])
    throw new Fault('unsupported', `${network.name} has no blocks whose input and output could be compared.`, {
      hint: 'Use the score "zd", which needs weights only, or the measured sensitivity.',
      data: { file: network.path },
    })
  },
  start(network) {
    const totals = pairsOf(network).map((pair) => ({ ...pair, sum: 0, count: 0 }))
    return {
      see(values) {
        for (const total of totals) {
          const [input, output] = [values[total.input], values[total.output]]
          if (input === undefined || output === undefined || input.dims.join() !== output.dims.join()) continue
          const { sum, count } = sumOfCosines(input, output)
          total.sum += sum
          total.count += count
        }
      },
      finish: () => ({
        values: totals.map(({ index, sum, count }) => ({ key: `${index}`, value: count === 0 ? 0 : -sum / count })),
      }),
    }
  },
})
