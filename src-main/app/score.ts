import { z } from 'zod'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { MethodSummary } from '../../src-preload/contract/methods.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import type { Prepare } from '../jobs/work.ts'
import { listScores, saveScore } from '../store/scores.ts'
import type { AppContext } from './context.ts'
import { type OpenProject, dataReference, requireData, subjectOf } from './projects.ts'
import { methodsOf } from './method.ts'
import { announce } from './snapshot.ts'
import { startJob, verifiedSubject } from './work.ts'

const scoreArgs = z.object({ method: z.string() })

async function methodOf(context: AppContext, id: string): Promise<MethodSummary> {
  const methods = (await methodsOf(context)).methods.filter(({ family }) => family === 'score')
  const method = methods.find((candidate) => candidate.id === id)
  if (method) return method
  throw new Fault('bad-arguments', `There is no score "${id}".`, {
    hint: `Known: ${methods.map((known) => known.id).join(', ')}.`,
    data: { field: 'method', found: id },
  })
}

const storedScore = (project: OpenProject, method: string) => {
  const subject = subjectOf(project)
  const found = listScores(project.store.read, { checkpoint: subject.row.checkpoint, data: subject.data })
  // Sorted by data: what was measured on the project's own data comes after what needed none.
  return found.findLast((score) => score.method === method) ?? null
}

export const scoreHandlers = (context: AppContext): Pick<Handlers, 'score.start' | 'score.get'> => ({
  'score.start': async ({ project, method }) => {
    const { title, needs } = await methodOf(context, method)
    const open = context.projects.get(project)
    if (needs.some((need) => need !== 'weights')) requireData(open, subjectOf(open))
    return startJob(context, { project, kind: 'score', title: `Score: ${title}`, args: { method } })
  },
  'score.get': ({ project, method }) => storedScore(context.projects.get(project), method),
})

export const prepareScore =
  (context: AppContext): Prepare =>
  async (order, unitContext) => {
    const { method: id } = scoreArgs.parse(order.args)
    const method = await methodOf(context, id)
    const project = context.projects.get(order.project)
    const { subject, path } = await verifiedSubject(project, unitContext)
    const needsData = method.needs.some((need) => need !== 'weights')
    const data = needsData ? requireData(project, subject) : dataReference(project, subject)
    return {
      units: [
        {
          key: `score-${id}`,
          kind: 'score',
          step: method.title,
          weight: subject.checkpoint.summary.parameters,
          isDone: () => false,
          async run({ engine, hooks }) {
            const args = { checkpoint: path, data, method: id, device: subject.row.device }
            const result = await engine.run('score', args, hooks)
            saveScore(project.store.write, {
              checkpoint: subject.row.checkpoint,
              data: needsData ? subject.data : '',
              version: method.version,
              result,
            })
            announce(context, project)
          },
        },
      ],
      finish: () => id,
    }
  }
