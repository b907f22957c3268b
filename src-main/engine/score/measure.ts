import type { ScoreResult } from '../../../src-preload/contract/methods.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Dataset } from '../data/types.ts'
import { collect } from '../probe/collect.ts'
import type { TaskContext } from '../protocol.ts'
import type { Score } from './define.ts'
import { scores } from './registry.ts'
import { batchSizeFor, defaultSamples } from './samples.ts'

export interface ScoreArguments {
  network: Network
  dataset: Dataset | null
  device: DeviceId
  samples?: number // calibration samples; default: enough for a stable ranking
}

/** One score by id. Faults 'bad-arguments' for an unknown id, 'bad-data' where it needs data and there is none. */
export async function measureScore(
  args: ScoreArguments & { method: string },
  context: TaskContext,
): Promise<ScoreResult> {
  const score = scores.find(({ id }) => id === args.method)
  if (score === undefined) {
    throw new Fault('bad-arguments', `There is no score "${args.method}".`, {
      hint: `Known: ${scores.map(({ id }) => id).join(', ')}.`,
    })
  }
  const [result] = await measureScores(args, [score], context)
  if (result === undefined) throw new Fault('internal', `The score ${score.id} gave no result.`)
  return result
}

/** Several scores from one pass over the calibration data: each gets the values it asked for. */
export async function measureScores(
  args: ScoreArguments,
  chosen: readonly Score[],
  context: TaskContext,
): Promise<ScoreResult[]> {
  const { network, dataset, device } = args
  const began = performance.now()
  const wishes = chosen.map((score) => ({ score, values: score.values(network), run: score.start(network) }))
  const values = [...new Set(wishes.flatMap((wish) => wish.values))]
  let samples = 0
  if (values.length > 0) {
    if (dataset === null) {
      const needing = wishes.filter((wish) => wish.values.length > 0).map(({ score }) => score.title)
      throw new Fault('bad-data', `${needing.join(', ')}: needs calibration data, and none was given.`, {
        hint: 'Add a data set, or choose a score that needs weights only.',
      })
    }
    const pass = {
      ...{ network, values, device, part: dataset.calibrate },
      samples: args.samples ?? defaultSamples(network),
      batchSize: batchSizeFor(network),
    }
    samples = await collect(pass, (seen) => wishes.forEach(({ run }) => run.see(seen)), context)
  }
  return wishes.map(({ score, values: asked, run }) => ({
    method: score.id,
    per: score.per(network),
    values: run.finish((fraction, step) => context.progress({ fraction, step })),
    samples: asked.length > 0 ? samples : 0,
    seconds: (performance.now() - began) / 1000,
  }))
}
