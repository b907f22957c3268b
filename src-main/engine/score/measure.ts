import type { ScoreResult } from '../../../src-preload/contract/methods.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { MethodUse } from '../../../src-preload/contract/plan.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Dataset } from '../data/types.ts'
import { collect } from '../probe/collect.ts'
import type { TaskContext } from '../protocol.ts'
import { type Finding, leftOutWords, type Score } from './define.ts'
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
  const excused = excuser(uses.length > 1, context)
  const wishes = uses.flatMap(({ method, parameters }) => {
    const score = scoreOf(method)
    const wish = () => ({ values: score.values(network, parameters), run: score.start(network, parameters) })
    const found = excused.now(score, wish)
    return found === null ? [] : [{ score, parameters, ...found }]
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
    const finding = await excused.later(score, async () => finite(score, network, await run.finish(bench)))
    if (finding === null) continue
    const usesData = needing.some((wish) => wish.score === score)
    const result: ScoreResult = {
      method: score.id,
      per: score.per(network),
      ...finding,
      ...(Object.keys(parameters).length > 0 && { parameters }),
      samples: asked.length > 0 ? seen : usesData ? samples : 0,
      seconds: (asked.length > 0 ? passSeconds : 0) + (performance.now() - own) / 1000,
    }
    results.push(result)
    // Each as soon as it is there: the next may take minutes, or fail.
    const fraction = first + ((1 - first) * (index + 1)) / wishes.length
    context.progress({ fraction, step: score.title, score: result })
  }
  if (results.length === 0) excused.rethrow()
  return results
}

function finite(score: Score, network: Network, finding: Finding): Finding {
  const stray = finding.values.find(({ value }) => !Number.isFinite(value))
  if (!stray) return finding
  throw new Fault('bad-data', `${score.title} came to ${stray.value} for ${stray.key}.`, {
    hint: 'Look for values that are not finite in the weights or the data, or leave this score out.',
    data: { file: network.path, tensor: stray.key, found: String(stray.value) },
  })
}

/** Of several scores, one that does not fit the network or comes to no number is told and left out: the others stand. Alone,
 *  or when none is left, its fault is the answer. */
function excuser(several: boolean, context: TaskContext) {
  let last: unknown = null
  const excuse = (score: Score, error: unknown): null => {
    const isExcused = error instanceof Fault && (error.code === 'unsupported' || error.code === 'bad-data')
    if (!several || !isExcused) throw error
    last = error
    context.notify(leftOutWords(score.title, error.message))
    return null
  }
  return {
    now<T>(score: Score, work: () => T): T | null {
      try {
        return work()
      } catch (error) {
        return excuse(score, error)
      }
    },
    async later<T>(score: Score, work: () => Promise<T>): Promise<T | null> {
      try {
        return await work()
      } catch (error) {
        return excuse(score, error)
      }
    },
    rethrow() {
      if (last !== null) throw last
    },
  }
}
