import { z } from 'zod'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import type { Prepare, Work } from '../jobs/work.ts'
import { inspectCheckpoint } from './checkpoint.ts'
import { compressUnits } from './compress-units.ts'
import type { AppContext } from './context.ts'
import { evaluateUnit, original } from './evaluate-units.ts'
import { runningUnits } from './running-unit.ts'
import { requireData, type Subject, subjectOf } from './projects.ts'
import { requireVariant } from './variant.ts'
import { startJob, verifiedSubject } from './work.ts'

const evaluateArgs = z.object({ variant: z.string().nullable(), against: z.string().nullable().default(null) })

/** Faults for a checkpoint that computes nothing. */
function requireGraph({ checkpoint: { summary } }: Subject): void {
  if (summary.task !== 'none') return
  throw new Fault('unsupported', `${summary.name} holds tensors only: there is no graph, so it cannot be evaluated.`, {
    hint: 'Open the ONNX file or the complete folder of a known family to measure it.',
    data: { file: summary.path },
  })
}

export const evaluateHandlers = (context: AppContext): Pick<Handlers, 'evaluate.start'> => ({
  'evaluate.start': async ({ project, variant, against }) => {
    const open = context.projects.get(project)
    const subject = subjectOf(open)
    requireGraph(subject)
    requireData(open, subject)
    const name = variant === null ? 'the original' : requireVariant(open, variant).variant.name
    const other = against === null ? null : await inspectCheckpoint(context, against)
    const title = other === null ? `Measure ${name}` : `Measure ${name} against ${other.name}`
    return startJob(context, { project, kind: 'evaluate', title, args: { variant, against: other?.path ?? null } })
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
    const { against: other } = args
    const against =
      other === null
        ? null
        : {
            path: other,
            fingerprint: (await unitContext.engine.run('inspect', { path: other }, unitContext.hooks)).fingerprint,
          }
    if (args.variant === null) {
      const unit =
        against === null
          ? baseline
          : evaluateUnit(context, project, { ...common, candidate: original(subject), against })
      const running = runningUnits(context, project, { ...common, candidate: original(subject) })
      return { units: [unit, ...(against === null ? running : [])], finish: () => unit.id }
    }
    const { variant, recipe } = requireVariant(project, args.variant)
    // Layers whose artifact was lost are made again; normally all are done.
    const layers = await compressUnits(project, recipe, {
      ...{ subject, checkpoint: path, run: null },
      work: unitContext,
    })
    const candidate = { variant: { id: variant.id, recipe }, bytes: variant.bytes, name: variant.name }
    const unit = evaluateUnit(context, project, { ...common, candidate, against })
    const running = [original(subject), candidate].flatMap((each) =>
      runningUnits(context, project, { ...common, candidate: each }),
    )
    return { units: [...layers, baseline, unit, ...(against === null ? running : [])], finish: () => unit.id }
  }
