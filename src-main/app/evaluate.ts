import { z } from 'zod'
import type { Handlers } from '../../src-preload/contract/server.ts'
import type { Prepare, Work } from '../jobs/work.ts'
import { compressUnits } from './compress-units.ts'
import type { AppContext } from './context.ts'
import { evaluateUnit, original } from './evaluate-units.ts'
import { requireData, subjectOf } from './projects.ts'
import { requireVariant } from './variant.ts'
import { startJob, verifiedSubject } from './work.ts'

const evaluateArgs = z.object({ variant: z.string().nullable() })

export const evaluateHandlers = (context: AppContext): Pick<Handlers, 'evaluate.start'> => ({
  'evaluate.start': ({ project, variant }) => {
    const open = context.projects.get(project)
    requireData(open, subjectOf(open))
    const name = variant === null ? 'the original' : requireVariant(open, variant).variant.name
    return startJob(context, { project, kind: 'evaluate', title: `Measure ${name}`, args: { variant } })
  },
})

export const prepareEvaluate =
  (context: AppContext): Prepare =>
  async (order, unitContext): Promise<Work> => {
    const args = evaluateArgs.parse(order.args)
    const project = context.projects.get(order.project)
    const { subject, path } = await verifiedSubject(project, unitContext)
    const common = { subject, checkpoint: path, data: requireData(project, subject) }
    const baseline = evaluateUnit(context, project, { ...common, candidate: original(subject) })
    if (args.variant === null) return { units: [baseline], finish: () => baseline.id }
    const { variant, recipe } = requireVariant(project, args.variant)
    const parameters = new Map(subject.checkpoint.summary.layers.map((layer) => [layer.name, layer.parameters]))
    // Layers whose artifact was lost are made again; normally all are done.
    const layers = compressUnits(project, recipe, { checkpoint: path, run: null, parameters })
    const candidate = { variant: { id: variant.id, recipe }, bytes: variant.bytes, name: variant.name }
    const unit = evaluateUnit(context, project, { ...common, candidate })
    return { units: [...layers, baseline, unit], finish: () => unit.id }
  }
