import { resolve } from 'node:path'
import { formatBytes, formatDuration, formatMetric, formatTable } from '../format.ts'
import { evaluationDocument, evaluationOf, print } from '../output.ts'
import { type CommonOptions, openWork, withSession } from '../session.ts'

interface Options extends CommonOptions {
  data: string
  against?: string
}

export const evaluate = (model: string, options: Options): Promise<void> =>
  withSession(options, async (session) => {
    const project = await openWork(session, model, options, options.data)
    const against = options.against === undefined ? null : resolve(options.against)
    const job = await session.finish(
      await session.client.call('evaluate.start', { project: project.folder, variant: null, against }),
    )
    const evaluation = evaluationOf(await session.client.call('project.get', { project: project.folder }), job.result)
    print(options, { model: resolve(model), against, ...evaluationDocument(evaluation) }, () =>
      [
        `${project.checkpoint.name} on ${evaluation.samples} samples (${evaluation.predictions} predictions), ${evaluation.device}, ${formatDuration(evaluation.seconds * 1000)}, ${formatBytes(evaluation.bytes)}`,
        formatTable(
          ['metric', 'value', '95 % interval'],
          Object.entries(evaluation.metrics).map(([name, m]) => [
            name,
            formatMetric(name, m.value),
            m.low === null || m.high === null ? '–' : `${formatMetric(name, m.low)} … ${formatMetric(name, m.high)}`,
          ]),
        ),
      ].join('\n'),
    )
  })
