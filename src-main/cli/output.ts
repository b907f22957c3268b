import type { Evaluation, Metric } from '../../src-preload/contract/results.ts'
import type { Project } from '../../src-preload/contract/project.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { CommonOptions } from './session.ts'

/** One JSON document on standard output with --json, else words. */
export function print(options: CommonOptions, document: unknown, words: () => string): void {
  process.stdout.write(`${options.json ? JSON.stringify(document, null, 2) : words()}\n`)
}

const intervals = (metrics: Record<string, Metric>) =>
  Object.fromEntries(
    Object.entries(metrics).flatMap(([name, m]) =>
      m.low === null || m.high === null ? [] : [[name, [m.low, m.high]]],
    ),
  )

/** metric name -> plain number, as scripts want it. */
export const plainMetrics = (metrics: Record<string, Metric>): Record<string, number> =>
  Object.fromEntries(Object.entries(metrics).map(([name, metric]) => [name, metric.value]))

/** An evaluation as `--json` documents it in the README. */
export const evaluationDocument = (evaluation: Evaluation) => ({
  samples: evaluation.samples,
  predictions: evaluation.predictions,
  metrics: plainMetrics(evaluation.metrics),
  intervals: intervals(evaluation.metrics),
  bytes: evaluation.bytes,
  seconds: evaluation.seconds,
  samplesPerSecond: evaluation.samplesPerSecond,
  device: evaluation.device,
  part: evaluation.part,
  notices: evaluation.notices,
})

/** The evaluation a finished job made. */
export function evaluationOf(project: Project, id: string | null): Evaluation {
  const found = project.evaluations.find((evaluation) => evaluation.id === id)
  if (!found) throw new Fault('internal', `The job left no evaluation ${id ?? ''} in ${project.folder}.`)
  return found
}

/** The latest evaluation of a variant (null: the original) on the data the project has now. */
export function latestEvaluation(project: Project, variant: string | null): Evaluation | undefined {
  return project.evaluations
    .filter((each) => each.variant === variant && each.against === undefined)
    .filter((each) => !project.data || each.data.startsWith(project.data.fingerprint))
    .at(-1)
}
