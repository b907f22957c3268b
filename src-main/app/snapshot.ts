import { basename } from 'node:path'
import type { Project } from '../../src-preload/contract/project.ts'
import { listEvaluations } from '../store/evaluations.ts'
import { listExports } from '../store/exports.ts'
import { latestScores } from '../store/scores.ts'
import { listVariants } from '../store/variants.ts'
import type { AppContext } from './context.ts'
import { type OpenProject, subjectOf } from './projects.ts'
import { sensitivityState } from './losses.ts'
import { chosenFormat } from './plan-format.ts'

/** Everything the window shows of a project, read from the store now. */
export function snapshotOf(project: OpenProject): Project {
  const subject = subjectOf(project)
  const db = project.store.read
  const { summary } = subject.checkpoint
  return {
    folder: project.folder,
    name: subject.row.name || basename(project.folder),
    device: subject.row.device,
    format: chosenFormat(subject),
    methods: subject.row.methods,
    checkpoint: summary,
    data: subject.dataSet?.summary ?? null,
    scores: latestScores(db, { checkpoint: summary.fingerprint, data: subject.data }),
    sensitivity: sensitivityState(project, subject),
    variants: listVariants(db),
    evaluations: listEvaluations(db, { checkpoint: summary.fingerprint }),
    exports: listExports(db),
  }
}

/** Tells every open window and returns what it told. */
export function announce(context: AppContext, project: OpenProject): Project {
  const snapshot = snapshotOf(project)
  context.emit('project', snapshot)
  return snapshot
}
