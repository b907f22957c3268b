import type { Front } from '../../../src-preload/contract/results.ts'
import { frontPage } from '../front-page.ts'
import { formatBytes, formatMetric, formatTable } from '../format.ts'
import { plainMetrics, print } from '../output.ts'
import { type CommonOptions, openWork, withSession } from '../session.ts'
import { checkDocument, writeDocument } from '../write.ts'

interface Options extends CommonOptions {
  data: string
  bits: [number, number]
  points: number
  uniform: boolean
  html?: string
}

/** Evenly spaced budgets from low to high. */
export const spread = ([low, high]: [number, number], points: number): number[] =>
  points === 1
    ? [low]
    : Array.from({ length: points }, (_, i) => Number((low + ((high - low) * i) / (points - 1)).toFixed(4)))

export const front = (model: string, options: Options): Promise<void> =>
  withSession(options, async (session) => {
    checkDocument(options.html, [model, options.data])
    const project = await openWork(session, model, options, options.data)
    await session.finish(await session.client.call('sensitivity.start', { project: project.folder }))
    const budgets = spread(options.bits, options.points).map((bits) => ({ bits }))
    await session.finish(
      await session.client.call('front.start', { project: project.folder, budgets, uniform: options.uniform }),
    )
    const made = await session.client.call('front.get', { project: project.folder })
    if (options.html !== undefined) writeDocument(options.html, frontPage(project, made))
    const measured = made.measured.map((point) => ({ ...point, metrics: plainMetrics(point.metrics) }))
    print(options, { ...made, measured }, () => frontWords(made))
  })

export function frontWords(made: Front): string {
  const task = ['perplexity', 'top1', 'sqnrDb'].find((name) => made.measured.some((point) => point.metrics[name]))
  const rows = [...made.measured].sort((a, b) => b.bytes - a.bytes)
  return [
    formatTable(
      ['variant', 'size', 'bits', 'KL divergence', 'predicted', task ?? 'metric'],
      rows.map((point) => {
        const metric = task === undefined ? undefined : point.metrics[task]
        return [
          point.label,
          formatBytes(point.bytes),
          point.averageBits.toFixed(2),
          formatMetric('klDivergence', point.loss),
          point.predictedLoss === null ? '–' : formatMetric('klDivergence', point.predictedLoss),
          metric && task ? formatMetric(task, metric.value) : '–',
        ]
      }),
    ),
    '',
    `predicted against measured: ${made.calibration.points} points` +
      (made.calibration.spearman === null ? '' : `, Spearman ${made.calibration.spearman.toFixed(3)}`),
  ].join('\n')
}
