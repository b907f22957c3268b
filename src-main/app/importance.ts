import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Handlers } from '../../src-preload/contract/server.ts'
import type { Prepare, Work } from '../jobs/work.ts'
import type { AppContext } from './context.ts'
import { isOwnLeftover, refuseTaken } from './export-target.ts'
import { importanceUnit } from './importance-unit.ts'
import { dataIdentity } from './recipe-data.ts'
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
    checkTarget(target, overwrite)
    const args = { path: target, overwrite, data: dataIdentity(subject.dataSet), askedAtMs: Date.now() }
    return startJob(context, { project, kind: 'importance', title: `Measure importance of ${summary.name}`, args })
  },
})

/** Told before anything is measured. Only an earlier imatrix file is ever replaced: a slip must not cost a checkpoint. */
function checkTarget(path: string, overwrite: boolean): void {
  if (!existsSync(dirname(path)))
    throw new Fault('not-found', `Cannot write ${path}: there is no folder ${dirname(path)}.`, {
      hint: 'Make the folder first, or choose another.',
      data: { file: path },
    })
  if (!overwrite) return refuseTaken(path)
  if (!existsSync(path) || isImatrix(path)) return
  throw new Fault('conflict', `${path} is no imatrix file, so it is not replaced.`, {
    hint: 'Choose another name.',
    data: { file: path },
  })
}

/** 'general.type', the type and length of a string, 'imatrix': among the first entries of such a file. */
function isImatrix(path: string): boolean {
  if (!lstatSync(path).isFile()) return false
  const file = openSync(path, 'r')
  try {
    const head = Buffer.alloc(4096)
    const text = head.toString('latin1', 0, readSync(file, head, 0, head.length, 0))
    return text.startsWith('GGUF') && /general\.type[^]{12}imatrix/.test(text)
  } finally {
    closeSync(file)
  }
}

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
        if (args.overwrite || !isOwnLeftover(args.path, args.askedAtMs)) checkTarget(args.path, args.overwrite)
        deliver(measured.file(), args.path)
        return args.path
      },
    }
  }
