import type { Client } from '../../../src-preload/contract/client.ts'
import type { FrontAxis } from '../../../src-preload/contract/front-axis.ts'
import type { Budget } from '../../../src-preload/contract/plan.ts'
import type { Front } from '../../../src-preload/contract/results.ts'
import { formatBytes, formatMetric, formatTable } from '../format.ts'
import { plainMetrics, print } from '../output.ts'
import { type CommonOptions, openWork, withSession } from '../session.ts'
import { sayPreflight } from '../preflight.ts'
import { checkDocument, writeDocument } from '../write.ts'

interface Options extends CommonOptions {
  data: string
  bits: [number, number]
  points: number
  uniform: boolean
  suggest?: boolean
  minutes?: number
  x: FrontAxis
  html?: string
  svg?: string
  csv?: string
}

/** Evenly spaced budgets from low to high. */
export const spread = ([low, high]: [number, number], points: number): number[] =>
  points === 1
    ? [low]
    : Array.from({ length: points }, (_, i) => Number((low + ((high - low) * i) / (points - 1)).toFixed(4)))

const documents = ['html', 'svg', 'csv'] as const

export const front = (model: string, options: Options): Promise<void> =>
  withSession(options, async (session) => {
    const { client } = session
    for (const as of documents) checkDocument(options[as], [model, options.data])
    const { folder: project } = await openWork(session, model, options, options.data)
    await sayPreflight(session, project, { kind: 'sensitivity' })
    await session.finish(await client.call('sensitivity.start', { project }))
    const { budgets, minutes } = await budgetsOf(client, project, options)
    if (budgets.length > 0) {
      await sayPreflight(session, project, { kind: 'front', budgets, uniform: options.uniform })
      await session.finish(await client.call('front.start', { project, budgets, uniform: options.uniform, minutes }))
    }
    const made = await client.call('front.get', { project })
    for (const as of documents) {
      const file = options[as]
      if (file !== undefined)
        writeDocument(file, (await client.call('front.export', { project, as, x: options.x })).text)
    }
    const measured = made.measured.map((point) => ({ ...point, metrics: plainMetrics(point.metrics) }))
    print(options, { ...made, measured }, () => frontWords(made))
  })

/** Evenly spaced, or the most telling ones; of these as many as the time allows. */
async function budgetsOf(
  client: Client,
  project: string,
  { suggest = false, points, bits, minutes = null }: Omit<Options, 'minutes'> & { minutes?: number | null },
): Promise<{ budgets: Budget[]; minutes: number | null }> {
  if (!suggest) return { budgets: spread(bits, points).map((width) => ({ bits: width })), minutes }
  const found = await client.call('front.suggest', { project, points, minutes })
  return { budgets: found.points.map(({ bytes }) => ({ bytes: Math.ceil(bytes) })), minutes }
}

export function frontWords(made: Front): string {
  const task = ['perplexity', 'top1', 'sqnrDb'].find((name) => made.measured.some((point) => point.metrics[name]))
  const rows = [...made.measured].sort((a, b) => b.bytes - a.bytes)
  return [
    formatTable(
      ['variant', 'size', 'bits', 'peak memory', 'time', 'KL divergence', 'predicted', task ?? 'metric'],
      rows.map((point) => {
        const metric = task === undefined ? undefined : point.metrics[task]
        return [
          point.label,
          formatBytes(point.bytes),
          point.averageBits.toFixed(2),
          point.memory === null ? '–' : formatBytes(point.memory),
          point.fileSeconds === null ? '–' : `${(1000 * point.fileSeconds).toPrecision(3)} ms`,
          formatMetric('klDivergence', point.loss),
          point.predictedLoss === null ? '–' : formatMetric('klDivergence', point.predictedLoss),
          metric && task ? formatMetric(task, metric.value) : '–',
        ]
      }),
    ),
    '',
    `peak memory: ${made.memorySource}`,
    `predicted against measured: ${made.calibration.points} points` +
      (made.calibration.spearman === null ? '' : `, Spearman ${made.calibration.spearman.toFixed(3)}`),
  ].join('\n')
}
