import { constants, copyFileSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import type { Prepare, Work } from '../jobs/work.ts'
import type { AppContext } from './context.ts'
import { isOwnLeftover, refuseTaken } from './export-target.ts'
import { dataIdentity, importanceUnit } from './importance-unit.ts'
import { canEvaluate, requireData, subjectOf } from './projects.ts'
import { startJob, verifiedSubject } from './work.ts'

const importanceArgs = z.object({ path: z.string(), overwrite: z.boolean(), data: z.string(), askedAtMs: z.number() })

export const importanceHandlers = (context: AppContext): Pick<Handlers, 'importance.start'> => ({
  'importance.start': ({ project, path, overwrite }) => {
    const open = context.projects.get(project)
    const subject = subjectOf(open)
    requireData(open, subject)
    const { summary } = subject.checkpoint
    if (!subject.dataSet || !canEvaluate(subject))
      throw new Fault('unsupported', `${summary.name} holds tensors only: nothing can be measured on data.`, {
        data: { file: summary.path },
      })
    const target = resolve(path)
    if (!overwrite) refuseTaken(target)
    const args = { path: target, overwrite, data: dataIdentity(subject.dataSet), askedAtMs: Date.now() }
    return startJob(context, { project, kind: 'importance', title: `Measure importance of ${summary.name}`, args })
  },
})

/** Copies beside, then renames: nobody sees half a file. */
function deliver(from: string, to: string): void {
  const partial = join(dirname(to), `.${basename(to)}-${process.pid}.partial`)
  try {
    copyFileSync(from, partial, constants.COPYFILE_EXCL)
    renameSync(partial, to)
  } catch (error) {
    rmSync(partial, { force: true })
    const said = error instanceof Error ? error.message : String(error)
    throw new Fault('disk', `Cannot write ${to}: ${said}.`, {
      hint: 'Check free space and permissions, or choose another folder.',
      data: { file: to },
      cause: error,
    })
  }
}

export const prepareImportance =
  (context: AppContext): Prepare =>
  async (order, unitContext): Promise<Work> => {
    const args = importanceArgs.parse(order.args)
    const project = context.projects.get(order.project)
    const { subject, path: checkpoint } = await verifiedSubject(project, unitContext)
    const measured = importanceUnit(project, { subject, checkpoint, data: args.data })
    return {
      units: [measured],
      finish: () => {
        if (!args.overwrite && !isOwnLeftover(args.path, args.askedAtMs)) refuseTaken(args.path)
        deliver(measured.file(), args.path)
        return args.path
      },
    }
  }
