import type { Evaluation, Metric } from '../../src-preload/contract/results.ts'
import type { TaskArguments } from '../engine/protocol.ts'
import { listEvaluationsOn } from '../store/evaluations.ts'
import type { OpenProject, Subject } from './projects.ts'

type CardRow = TaskArguments<'export'>['card'][number]

const percent = (value: number): string => `${(value * 100).toFixed(2)} %`
const figures = (value: number): string =>
  value === 0 ? '0' : Math.abs(value) >= 0.01 ? value.toFixed(4) : value.toExponential(2)

/** What a model card shows, in this order: metric -> words and how it is written. */
const shown: Record<string, { title: string; write: (value: number) => string }> = {
  perplexity: { title: 'perplexity', write: (value) => value.toFixed(3) },
  top1: { title: 'top-1 accuracy', write: percent },
  top5: { title: 'top-5 accuracy', write: percent },
  klDivergence: { title: 'KL divergence to the original, nats', write: figures },
  agreement: { title: 'same top answer as the original', write: percent },
  sqnrDb: { title: 'signal to noise of the output, dB', write: (value) => value.toFixed(1) },
}

const withInterval = ({ value, low, high }: Metric, write: (value: number) => string): string =>
  low === null || high === null ? write(value) : `${write(value)} (${write(low)} to ${write(high)})`

/** The measured table of a variant's model card; empty where it was not measured on the project's data. */
export function cardRows(project: OpenProject, subject: Subject, variant: string): CardRow[] {
  const { dataSet } = subject
  if (!dataSet) return []
  const own = { checkpoint: subject.row.checkpoint, data: subject.data }
  const found = listEvaluationsOn(project.store.read, own).filter(({ part }) => part === 'evaluate')
  const latest = (id: string | null): Evaluation | undefined => found.findLast((each) => each.variant === id)
  const [before, after] = [latest(null), latest(variant)]
  if (!after) return []
  const counted = dataSet.summary.kind === 'text' ? 'tokens' : dataSet.summary.unit
  const name = dataSet.summary.path.split(/[\\/]/).at(-1) ?? ''
  const source = `${name}, ${after.predictions.toLocaleString('en-US')} ${counted}; in brackets: 95 % interval`
  return Object.entries(shown).flatMap(([metric, { title, write }]): CardRow[] => {
    const [old, now] = [before?.metrics[metric], after.metrics[metric]]
    if (!now) return []
    const original = old ? withInterval(old, write) : null
    return [{ metric: title, original, variant: withInterval(now, write), source }]
  })
}
