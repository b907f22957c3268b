import type { ScoreResult } from '../../../src-preload/contract/methods.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { MethodUse } from '../../../src-preload/contract/plan.ts'
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
  seed?: number
}

/** What the common pass is worth beside the scores' own work, in the progress. */
const PASS_SHARE = 0.5

export function scoreOf(id: string): Score {
  const score = scores.find((known) => known.id === id)
  if (score) return score
  throw new Fault('bad-arguments', `There is no score "${id}".`, {
    hint: `Known: ${scores.map((known) => known.id).join(', ')}.`,
    data: { field: 'method', found: id },
  })
}

/** Several scores from one pass over the calibration data: each gets the values it asked for, and what a score does beyond
 *  that (further passes, arithmetic on weights) follows, one after the other. Faults 'bad-arguments' on an unknown score or
 *  parameter, 'bad-data' where one needs data and there is none or a score came to a number that is not finite. */
export async function measureScores(
  args: ScoreArguments,
  uses: readonly MethodUse[],
  context: TaskContext,
): Promise<ScoreResult[]> {
  const { network, dataset, device, seed = 0 } = args
  const wishes = uses.map(({ method, parameters }) => {
    const score = scoreOf(method)
    return { score, parameters, values: score.values(network, parameters), run: score.start(network, parameters) }
  })
  const needing = wishes.filter(({ score }) => score.needs.some((need) => need !== 'weights'))
  if (dataset === null && needing.length > 0)
    throw new Fault('bad-data', `${needing.map(({ score }) => score.title).join(', ')}: needs calibration data.`, {
      hint: 'Add a data set, or choose a score that needs weights only.',
    })
  const began = performance.now()
  const values = [...new Set(wishes.flatMap((wish) => wish.values))]
  const samples = args.samples ?? defaultSamples(network)
  let seen = 0
  if (values.length > 0 && dataset !== null) {
    const pass = { network, values, device, part: dataset.calibrate, samples, batchSize: batchSizeFor(network) }
    const see = (
      found: Parameters<(typeof wishes)[0]['run']['see']>[0],
      batch: Parameters<(typeof wishes)[0]['run']['see']>[1],
    ) => wishes.forEach(({ run, values: asked }) => void (asked.length > 0 && run.see(found, batch)))
    const progress: TaskContext['progress'] = (update) =>
      context.progress({ ...update, fraction: PASS_SHARE * update.fraction })
    seen = await collect(pass, see, { ...context, progress })
  }
  const passSeconds = (performance.now() - began) / 1000
  const first = values.length > 0 ? PASS_SHARE : 0
  const results: ScoreResult[] = []
  for (const [index, { score, parameters, run, values: asked }] of wishes.entries()) {
    const own = performance.now()
    const bench = {
      ...{ network, dataset, samples, device, seed },
      context: {
        ...context,
        progress: (update: Parameters<TaskContext['progress']>[0]) =>
          context.progress({
            ...update,
            fraction: first + ((1 - first) * (index + Math.min(1, update.fraction))) / wishes.length,
          }),
      },
    }
    const finding = await run.finish(bench)
    const stray = finding.values.find(({ value }) => !Number.isFinite(value))
    if (stray)
      throw new Fault('bad-data', `${score.title} came to ${stray.value} for ${stray.key}.`, {
        hint: 'Look for values that are not finite in the weights or the data, or leave this score out.',
        data: { file: network.path, tensor: stray.key, found: String(stray.value) },
      })
    const usesData = needing.some((wish) => wish.score === score)
    results.push({
      method: score.id,
      per: score.per(network),
      ...finding,
      ...(Object.keys(parameters).length > 0 && { parameters }),
      samples: asked.length > 0 ? seen : usesData ? samples : 0,
      seconds: (asked.length > 0 ? passSeconds : 0) + (performance.now() - own) / 1000,
    })
  }
  return results
}
