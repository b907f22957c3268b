import { createHash } from 'node:crypto'
import type { DeviceId } from '../../src-preload/contract/project.ts'
import type { Recipe } from '../../src-preload/contract/plan.ts'
import type { DataReference } from '../engine/protocol.ts'
import type { Unit } from '../jobs/work.ts'
import { readEvaluation, saveEvaluation } from '../store/evaluations.ts'
import { canonicalJson } from '../store/recipes.ts'
import { artifactsOf } from './compress-units.ts'
import type { AppContext } from './context.ts'
import { finishedOf } from './prepare-units.ts'
import { announce } from './snapshot.ts'
import type { OpenProject, Subject } from './projects.ts'

/** What is to be judged: the original, or a variant by its recipe. */
export interface Candidate {
  variant: { id: string; recipe: Recipe } | null
  bytes: number // of the file it stands for
  name: string
}

/** Another checkpoint to compare with, in place of the project's own. */
export interface Other {
  path: string
  fingerprint: string
}

/** The same measurement has the same id, so it is made once. */
export function evaluationId(
  subject: Subject,
  variant: string | null,
  device: DeviceId,
  against: string | null = null,
): string {
  const identity = {
    checkpoint: subject.row.checkpoint,
    data: subject.data,
    split: subject.dataSet?.split,
    variant,
    device,
    ...(against === null ? {} : { against }),
  }
  return `evaluation-${createHash('sha256').update(canonicalJson(identity)).digest('hex').slice(0, 32)}`
}

export function evaluateUnit(
  context: AppContext,
  project: OpenProject,
  args: { subject: Subject; checkpoint: string; data: DataReference; candidate: Candidate; against?: Other | null },
): Unit & { id: string } {
  const { subject, candidate, against = null } = args
  const { store } = project
  const { device } = subject.row
  const id = evaluationId(subject, candidate.variant?.id ?? null, device, against?.fingerprint ?? null)
  const samples = subject.dataSet?.summary.evaluate ?? 1
  return {
    id,
    key: id,
    kind: candidate.variant ? 'evaluate' : 'evaluate-original',
    step: `measuring ${candidate.name}`,
    weight: subject.checkpoint.summary.parameters * samples,
    isDone: () => readEvaluation(store.read, { id }) !== null,
    async run({ engine, hooks }) {
      const result = await engine.run(
        'evaluate',
        {
          checkpoint: args.checkpoint,
          prepared: candidate.variant ? finishedOf(project, candidate.variant.recipe) : [],
          data: args.data,
          artifacts: candidate.variant ? artifactsOf(project, candidate.variant.recipe) : null,
          against: against?.path ?? null,
          part: 'evaluate',
          device,
        },
        hooks,
      )
      const evaluation = {
        ...result,
        id,
        variant: candidate.variant?.id ?? null,
        ...(against === null ? {} : { against: against.fingerprint }),
        bytes: candidate.bytes,
      }
      // Kept apart from comparisons with the project's own checkpoint: it is no point of its front.
      const data = against === null ? subject.data : `${subject.data} against ${against.fingerprint}`
      saveEvaluation(store.write, { checkpoint: subject.row.checkpoint, data, evaluation })
      announce(context, project)
    },
  }
}

export const original = (subject: Subject): Candidate => ({
  variant: null,
  bytes: subject.checkpoint.summary.bytes,
  name: 'the original',
})
