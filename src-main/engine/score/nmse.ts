// Normalized MSE of a block left out.
//   Taghibakhshi et al. 2025, "Nemotron Elastic: Towards Efficient Many-in-One Reasoning LLMs", layer importance
//   s_j = sum (h - h_{-j})^2 / sum h^2      h: final hidden state of the whole network, h_{-j}: without block j
// summed over all positions and channels of calibration data. Higher = the block matters more. In a language model h is what
// enters the head; elsewhere it is what leaves the last block. Blocks that cannot be left out (they change the shape of the
// stream) have no score.
// Cost: two forward passes, and for n blocks n runs of what lies behind them, n / 2 passes on average. Needs activations.
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import { removableBlocks } from '../graph/rewrites/shortcut.ts'
import { flowOf } from '../probe/flow.ts'
import { calibrate, type CalibrationBatch } from './calibration.ts'
import { defineScore } from './define.ts'
import { partOutputs, passingBy } from './skipped.ts'

const finalState = (network: Network): string | null => network.head?.hidden ?? flowOf(network).at(-1)?.output ?? null

/** sum (x - y)^2 / sum x^2 over the rows that count: those of padding (target -1) do not. */
export function normalizedError(
  whole: readonly Float32Array[],
  without: readonly Float32Array[],
  batches: readonly Pick<CalibrationBatch, 'batch'>[],
): number {
  let [error, energy] = [0, 0]
  whole.forEach((x, index) => {
    const y = without[index] ?? new Float32Array()
    const { targets = null } = batches[index]?.batch ?? {}
    const width = targets !== null && x.length % targets.length === 0 ? x.length / targets.length : x.length
    for (let at = 0; at < x.length; at += width) {
      if (targets?.[at / width] === -1) continue
      for (let i = at; i < at + width; i++) {
        const value = x[i] ?? 0
        error += (value - (y[i] ?? 0)) ** 2
        energy += value * value
      }
    }
  })
  return energy === 0 ? error : error / energy
}

export const nmse = defineScore({
  id: 'nmse',
  title: 'Normalized MSE of a block left out',
  summary:
    'How far the final hidden state moves when a block is passed by: the order in which to make a network shallower.',
  cite: 'Taghibakhshi et al. 2025, Nemotron Elastic: Towards Efficient Many-in-One Reasoning LLMs',
  formula: 's = sum (h - h without the block)^2 / sum h^2, h the final hidden state',
  cost: 'about half as many forward passes as there are blocks, and two',
  needs: ['activations'],
  version: 1,
  params: z.object({}),
  per: () => 'block',
  values(network) {
    if (finalState(network) !== null && removableBlocks(network).some(({ reason }) => reason === null)) return []
    throw new Fault('unsupported', `${network.name} has no residual blocks that could be passed by.`, {
      hint: 'Use the score "zd", or the measured sensitivity.',
      data: { file: network.path },
    })
  },
  start: (network) => ({
    see: () => undefined,
    async finish({ dataset, samples, device, context }) {
      const value = finalState(network)
      if (dataset === null || value === null) return { values: [] }
      const quiet = { ...context, progress: () => undefined }
      const calibration = await calibrate({ network, dataset, samples, device }, quiet)
      const run = { network, value, device, notify: context.notify }
      const inputs = await calibration.at([], quiet)
      const whole = await partOutputs({ ...run, cut: [] }, inputs)
      const all = removableBlocks(network)
      const values: { key: string; value: number }[] = []
      for (const [position, { index, input, output, reason }] of all.entries()) {
        context.progress({ fraction: (position + 1) / (all.length + 1), step: `without block ${index + 1}` })
        if (reason !== null || input === null || output === null) continue
        const entering = passingBy(await calibration.at([input], quiet), { input, output })
        const without = await partOutputs({ ...run, cut: [output] }, entering)
        values.push({ key: `${index}`, value: normalizedError(whole, without, inputs) })
      }
      const barred = all.filter(({ reason }) => reason !== null)
      const notes = barred.map(({ index, reason }) => `Block ${index + 1} has no score: ${reason}.`)
      return { values, ...(notes.length > 0 && { notes }) }
    },
  }),
})
