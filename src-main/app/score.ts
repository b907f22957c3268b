import { z } from 'zod'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { MethodSummary } from '../../src-preload/contract/methods.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import { type MethodUse, methodUseSchema } from '../../src-preload/contract/plan.ts'
import type { Prepare, Unit } from '../jobs/work.ts'
import { listScores, saveScore } from '../store/scores.ts'
import type { AppContext } from './context.ts'
import { type OpenProject, requireData, subjectOf } from './projects.ts'
import { methodsOf } from './method.ts'
import { announce } from './snapshot.ts'
import { startJob, verifiedSubject } from './work.ts'

const scoreArgs = z.object({ uses: z.array(methodUseSchema) })

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

const needsData = ({ needs }: MethodSummary): boolean => needs.some((need) => need !== 'weights')

export const scoreHandlers = (context: AppContext): Pick<Handlers, 'score.start' | 'score.get'> => ({
  'score.start': async ({ project, uses }) => {
    const methods: MethodSummary[] = []
    for (const { method } of uses) methods.push(await methodOf(context, method))
    const open = context.projects.get(project)
    if (methods.some(needsData)) requireData(open, subjectOf(open))
    const [first] = methods
    const title = methods.length === 1 && first ? `Score: ${first.title}` : `${methods.length} scores`
    return startJob(context, { project, kind: 'score', title, args: { uses } })
  },
  'score.get': ({ project, method }) => storedScore(context.projects.get(project), method),
})

/** Two units: the scores that look at weights alone, and those that share a pass over the data. */
export const prepareScore =
  (context: AppContext): Prepare =>
  async (order, unitContext) => {
    const { uses } = scoreArgs.parse(order.args)
    const project = context.projects.get(order.project)
    const { subject, path } = await verifiedSubject(project, unitContext)
    const known: { use: MethodUse; method: MethodSummary }[] = []
    for (const use of uses) known.push({ use, method: await methodOf(context, use.method) })
    const unitOf = (chosen: typeof known, looks: boolean): Unit[] => {
      if (chosen.length === 0) return []
      const data = looks ? requireData(project, subject) : null
      return [
        {
          key: `score-${chosen.map(({ use }) => use.method).join('-')}`,
          kind: 'score',
          step: chosen.map(({ method }) => method.title).join(', '),
          weight: subject.checkpoint.summary.parameters * chosen.length,
          isDone: () => false,
          async run({ engine, hooks }) {
            const args = { checkpoint: path, data, uses: chosen.map(({ use }) => use), device: subject.row.device }
            const { results } = await engine.run('score', args, hooks)
            for (const [index, result] of results.entries())
              saveScore(project.store.write, {
                checkpoint: subject.row.checkpoint,
                data: looks ? subject.data : '',
                version: chosen[index]?.method.version ?? 0,
                result,
              })
            announce(context, project)
          },
        },
      ]
    }
    const looking = known.filter(({ method }) => needsData(method))
    const units = [
      ...unitOf(
        known.filter((each) => !looking.includes(each)),
        false,
      ),
      ...unitOf(looking, true),
    ]
    return { units, finish: () => uses.map(({ method }) => method).join(' ') }
  }
