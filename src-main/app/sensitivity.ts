import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Handlers } from '../../src-preload/contract/server.ts'
import type { Prepare, Unit } from '../jobs/work.ts'
import { saveOption } from '../store/options.ts'
import { canonicalJson } from '../store/recipes.ts'
import { transaction } from '../store/query.ts'
import { readStep, saveStep } from '../store/steps.ts'
import { loadCandidates, planFormat } from './candidates.ts'
import type { AppContext } from './context.ts'
import { dataReference, type Subject } from './projects.ts'
import { quantizerVersions } from './method.ts'
import { announce } from './snapshot.ts'
import { startJob, verifiedSubject } from './work.ts'

const sensitivityArgs = z.object({ samples: z.number().int().positive().nullable() })

/** Windows of text hold hundreds of predictions each, images one: enough of either for a stable mean. */
const defaultSamples = (subject: Subject): number => (subject.dataSet?.summary.kind === 'text' ? 16 : 256)

export const sensitivityHandlers = (context: AppContext): Pick<Handlers, 'sensitivity.start'> => ({
  'sensitivity.start': ({ project, samples }) =>
    startJob(context, {
      project,
      kind: 'sensitivity',
      title: 'Measure every layer',
      args: { samples: samples ?? null },
    }),
})

export const prepareSensitivity =
  (context: AppContext): Prepare =>
  async (order, unitContext) => {
    const args = sensitivityArgs.parse(order.args)
    const project = context.projects.get(order.project)
    const { store } = project
    const { subject, path } = await verifiedSubject(project, unitContext)
    const reference = subject.checkpoint.summary.task === 'none' ? null : dataReference(project, subject)
    const data = reference ? subject.data : ''
    const wanted = args.samples ?? defaultSamples(subject)
    const samples = reference ? Math.min(wanted, Math.max(1, subject.dataSet?.summary.calibrate ?? wanted)) : 0
    const { layers: compressible } = await loadCandidates(context, project)
    const offered = new Map(compressible.map(({ name, options }) => [name, options.map(({ id }) => id)]))
    const versions = quantizerVersions()

    const blocks = new Map<number, { parameters: number; options: string[] }>()
    for (const layer of subject.checkpoint.summary.layers) {
      const options = offered.get(layer.name)
      if (!options || options.every((id) => id === 'keep')) continue
      const block = blocks.get(layer.block ?? -1) ?? { parameters: 0, options: [] }
      block.parameters += layer.parameters
      block.options.push(`${layer.name}: ${options.join(' ')}`)
      blocks.set(layer.block ?? -1, block)
    }
    const units = [...blocks].map(([block, { parameters, options }]): Unit => {
      const identity = { checkpoint: subject.row.checkpoint, data, block, samples, options, versions }
      const key = `sensitivity-${createHash('sha256').update(canonicalJson(identity)).digest('hex')}`
      return {
        key,
        kind: 'sensitivity',
        step: block < 0 ? 'layers outside the blocks' : `block ${block + 1} of ${subject.checkpoint.summary.blocks}`,
        weight: parameters * options.length,
        isDone: () => readStep(store.read, { key }) !== null,
        async run({ engine, hooks }) {
          const { id: format } = await planFormat(context, subject)
          const task = {
            checkpoint: path,
            data: reference,
            block,
            samples,
            device: subject.row.device,
            format,
            importance: null,
          }
          const result = await engine.run('sensitivity', task, hooks)
          for (const notice of result.notices) hooks.notify(notice)
          transaction(store.write, () => {
            for (const { name, losses } of result.layers)
              for (const { option, loss, error, standardError } of losses.filter((each) => each.option !== 'keep'))
                saveOption(store.write, {
                  checkpoint: subject.row.checkpoint,
                  data,
                  layer: name,
                  option,
                  samples: result.samples,
                  loss,
                  error,
                  standardError: standardError ?? null,
                  source: result.source,
                })
            const { samples: used, source } = result
            saveStep(store.write, {
              key,
              run: null,
              task: 'sensitivity',
              file: null,
              sha256: null,
              bytes: null,
              result: { samples: used, source },
            })
          })
          announce(context, project)
        },
      }
    })
    return { units, finish: () => null }
  }
