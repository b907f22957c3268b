import { createHash } from 'node:crypto'
import { z } from 'zod'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { MethodSummary, ScoreResult } from '../../src-preload/contract/methods.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import { type MethodUse, methodUseSchema } from '../../src-preload/contract/plan.ts'
import type { TaskProgress } from '../engine/protocol.ts'
import { leftOutWords } from '../engine/score/define.ts'
import type { Prepare, Unit } from '../jobs/work.ts'
import { canonicalJson } from '../store/recipes.ts'
import { latestScores, listScores, saveScore } from '../store/scores.ts'
import { readStep, saveStep } from '../store/steps.ts'
import type { AppContext } from './context.ts'
import { canEvaluate, type OpenProject, requireData, type Subject, subjectOf } from './projects.ts'
import { methodsOf } from './method.ts'
import { announce } from './snapshot.ts'
import { startJob, verifiedSubject } from './work.ts'

const scoreArgs = z.object({ uses: z.array(methodUseSchema) })

/** The score of this name; Fault 'bad-arguments' with those there are. */
export async function scoreMethod(context: AppContext, id: string): Promise<MethodSummary> {
  const methods = (await methodsOf(context)).methods.filter(({ family }) => family === 'score')
  const method = methods.find((candidate) => candidate.id === id)
  if (method) return method
  throw new Fault('bad-arguments', `There is no score "${id}".`, {
    hint: `Known: ${methods.map((known) => known.id).join(', ')}.`,
    data: { field: 'method', found: id },
  })
}

/** The latest of a method, or the one with these parameters. */
export function storedScore(
  project: OpenProject,
  method: string,
  parameters: MethodUse['parameters'] | null = null,
): ScoreResult | null {
  const subject = subjectOf(project)
  const on = { checkpoint: subject.row.checkpoint, data: subject.data }
  if (parameters === null) return latestScores(project.store.read, on).find((score) => score.method === method) ?? null
  const wanted = canonicalJson({ method, parameters })
  return listScores(project.store.read, on).findLast((score) => keyOf(score) === wanted) ?? null
}

const keyOf = ({ method, parameters = {} }: Pick<ScoreResult, 'method' | 'parameters'>): string =>
  canonicalJson({ method, parameters })

const needsData = ({ needs }: MethodSummary): boolean => needs.some((need) => need !== 'weights')

function requireActivations(project: OpenProject, subject: Subject, { title }: MethodSummary): void {
  requireData(project, subject)
  if (canEvaluate(subject)) return
  throw new Fault('unsupported', `${title} needs activations, and this checkpoint holds tensors only.`, {
    hint: 'Choose scores that need weights alone.',
  })
}

export const scoreHandlers = (context: AppContext): Pick<Handlers, 'score.start' | 'score.get'> => ({
  'score.start': async ({ project, uses: asked }) => {
    const uses = [...new Map(asked.map((use) => [keyOf(use), use])).values()]
    const methods: MethodSummary[] = []
    for (const { method } of uses) methods.push(await scoreMethod(context, method))
    const open = context.projects.get(project)
    const looking = methods.find(needsData)
    if (looking) requireActivations(open, subjectOf(open), looking)
    const [first] = methods
    const title = methods.length === 1 && first ? `Score: ${first.title}` : `${methods.length} scores`
    return startJob(context, { project, kind: 'score', title, args: { uses } })
  },
  'score.get': ({ project, method, parameters }) => storedScore(context.projects.get(project), method, parameters),
})

/** Of several scores, one that does not fit the network, or comes to no number, leaves the others standing. */
const isExcused = (error: unknown): error is Fault =>
  error instanceof Fault && (error.code === 'unsupported' || error.code === 'bad-data')

/** One unit for each score that looks at weights alone, then one for those that share a pass over the data. A result is kept
 *  as soon as it is there; a job that goes on later measures only what is missing. */
export const prepareScore =
  (context: AppContext): Prepare =>
  async (order, unitContext) => {
    const { uses } = scoreArgs.parse(order.args)
    const project = context.projects.get(order.project)
    const { subject, path } = await verifiedSubject(project, unitContext)
    const known: { use: MethodUse; method: MethodSummary }[] = []
    for (const use of uses) known.push({ use, method: await scoreMethod(context, use.method) })
    const { read, write } = project.store
    let last: Fault | null = null
    const stepOf = ({ use }: (typeof known)[number]): string => {
      const text = JSON.stringify([order.id, keyOf(use)])
      return `score-${createHash('sha256').update(text).digest('hex')}`
    }
    const isKept = (each: (typeof known)[number]): boolean => readStep(read, { key: stepOf(each) }) !== null
    const unitOf = (chosen: typeof known, looks: boolean, round = 0): Unit => {
      const data = looks ? requireData(project, subject) : null
      const keep = (result: ScoreResult): void => {
        const found = chosen.find(({ use }) => keyOf(use) === keyOf(result))
        if (!found || isKept(found)) return
        const { version } = found.method
        saveScore(write, { checkpoint: subject.row.checkpoint, data: looks ? subject.data : '', version, result })
        const nothing = { run: null, file: null, sha256: null, bytes: null }
        saveStep(write, { key: stepOf(found), task: 'score', ...nothing, result: { method: result.method } })
        announce(context, project)
      }
      return {
        key: `score-${chosen.map(({ use }) => use.method).join('-')}-${round}`,
        kind: 'score',
        step: chosen.map(({ method }) => method.title).join(', '),
        weight: subject.checkpoint.summary.parameters * chosen.length * (looks ? 4 : 1),
        isDone: () => chosen.every(isKept),
        async run({ engine, hooks }) {
          const progress = (update: TaskProgress): void => {
            if (update.score) keep(update.score)
            hooks.progress(update)
          }
          const missing = chosen.filter((each) => !isKept(each)).map(({ use }) => use)
          const task = { checkpoint: path, data, uses: missing, device: subject.row.device }
          try {
            const { results } = await engine.run('score', task, { ...hooks, progress })
            results.forEach(keep)
          } catch (error) {
            if (known.length === 1 || !isExcused(error)) throw error
            last = error
            hooks.notify(
              missing.length === 1
                ? leftOutWords(chosen[0]?.method.title ?? '', error.message)
                : `The others were left out: ${error.message}`,
            )
          }
        },
      }
    }
    const looking = known.filter(({ method }) => needsData(method))
    const units = known.filter((each) => !looking.includes(each)).map((each, at) => unitOf([each], false, at))
    for (const [round, chosen] of roundsOf(looking).entries()) units.push(unitOf(chosen, true, round))
    const finish = (): string => {
      if (last !== null && !known.some(isKept)) throw last
      return uses.map(({ method }) => method).join(' ')
    }
    return { units, finish }
  }

/** What shares a pass: each method once, so that a method with other parameters has a pass of its own. */
function roundsOf<U extends { use: MethodUse }>(looking: readonly U[]): U[][] {
  const rounds: U[][] = []
  for (const methods of Map.groupBy(looking, ({ use }) => use.method).values())
    for (const [round, each] of methods.entries()) (rounds[round] ??= []).push(each)
  return rounds
}
