import { Fault } from '../../src-preload/contract/fault.ts'
import { saveCheckpoint } from '../store/checkpoints.ts'
import { inspectCheckpoint } from './checkpoint.ts'
import type { AppContext } from './context.ts'
import { methodsOf } from './method.ts'
import { checkpointPath, type OpenProject, subjectOf } from './projects.ts'

/** Looks at the checkpoint again where an older Lathe did, which knew other export formats. What cannot be read now stays as it
 *  was known. */
export async function refreshSummary(context: AppContext, project: OpenProject): Promise<void> {
  const subject = subjectOf(project)
  const { summary } = subject.checkpoint
  try {
    const known = (await methodsOf(context)).methods.filter(({ family }) => family === 'export')
    const told = new Set(summary.exports.map(({ format }) => format))
    if (told.size === known.length && known.every(({ id }) => told.has(id))) return
    const found = await inspectCheckpoint(context, checkpointPath(project, subject))
    if (found.fingerprint === subject.row.checkpoint)
      saveCheckpoint(project.store.write, { folder: project.folder, summary: found })
  } catch (error) {
    if (!(error instanceof Fault)) throw error
  }
}
