import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Client } from '../../src-preload/contract/client.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Job } from '../../src-preload/contract/job.ts'
import type { MethodSummary } from '../../src-preload/contract/methods.ts'
import { plainMethods } from '../../src-preload/contract/plan.ts'
import type { DeviceId, Project } from '../../src-preload/contract/project.ts'
import { type App, createApp } from '../app/create.ts'
import { methodsAsked } from './methods.ts'
import { createProgressLine } from './progress.ts'

/** Options every verb knows. */
export interface CommonOptions {
  json?: boolean
  quiet?: boolean
  home?: string
  device?: DeviceId
  project?: string
  split?: 'auto' | 'none'
  /** Export format to plan for. */
  format?: string
  /** How to round, and what to do before; see methodOptions of program.ts. */
  quantizer?: string
  prepare?: string[]
  lever?: string[]
  samples?: number
}

/** One run of the command line: the app, opened once, and the job it waits for. */
export interface Session {
  app: App
  client: Client
  /** Where words for people go; silent with --quiet. Never standard output. */
  say(words: string): void
  /** Waits for a job with a progress line; throws its Fault. Ctrl+C cancels the job. */
  finish(started: { job: string }): Promise<Job>
}

export async function withSession<T>(options: CommonOptions, work: (session: Session) => Promise<T>): Promise<T> {
  const app = createApp({ door: 'cli', home: options.home })
  const client = app.client()
  const line = createProgressLine(process.stderr, options.quiet === true)
  let current: string | null = null
  const interrupted = Promise.withResolvers<never>()
  const interrupt = () => {
    // Between jobs there is nothing to cancel: what the verb was asking for is no longer waited for.
    if (current === null) interrupted.reject(new Fault('cancelled', 'Cancelled.'))
    else client.call('job.cancel', { job: current }).catch(interrupted.reject)
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  const finish = (started: { job: string }) =>
    new Promise<Job>((done, failed) => {
      current = started.job
      const settle = (job: Job) => {
        if (job.state === 'queued' || job.state === 'running') return line.show(job)
        stop()
        current = null
        line.end(job)
        if (job.state === 'done') done(job)
        else if (job.state === 'cancelled') failed(new Fault('cancelled', `${job.title} was cancelled.`))
        else failed(job.fault ? Fault.from(job.fault) : new Fault('engine', `${job.title} was interrupted.`))
      }
      const look = (jobs: Job[]) => {
        const job = jobs.find((each) => each.id === started.job)
        if (job) settle(job)
      }
      const stop = client.on('jobs', look)
      client.call('job.list', {}).then((jobs) => void (current === started.job && look(jobs)), failed)
    })
  try {
    const say = (words: string) => void (options.quiet || process.stderr.write(`${words}\n`))
    return await Promise.race([work({ app, client, finish, say }), interrupted.promise])
  } finally {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
    await app.close()
  }
}

/** The project a verb works in: --project DIR, else the scratch project of this checkpoint, so that nothing is measured
 *  twice. Data that does not fit is told before a project is made. */
export async function openWork(
  session: Session,
  model: string,
  options: CommonOptions,
  data?: string,
): Promise<Project> {
  const { client } = session
  const checkpoint = resolve(model)
  const split = options.split ?? 'auto'
  if (data !== undefined) await client.call('data.describe', { path: resolve(data), checkpoint, split })
  let project = options.project
    ? await openOrCreate(session, resolve(options.project), checkpoint)
    : await session.app.openScratch(checkpoint)
  if (options.device)
    project = await client.call('project.setDevice', { project: project.folder, device: options.device })
  if (data !== undefined)
    project = await client.call('project.setData', { project: project.folder, path: resolve(data), split })
  // A scratch project keeps nothing that was not asked for now; a person's own project keeps its format.
  const usual = project.checkpoint.exports.find(({ reason }) => reason === null)?.format
  const format = options.format ?? (options.project ? undefined : usual)
  if (format !== undefined && format !== project.format)
    project = await client.call('project.setFormat', { project: project.folder, format })
  const asked = await methodsAsked(session, options)
  const methods = asked ?? (options.project ? project.methods : plainMethods)
  if (!isDeepStrictEqual(methods, project.methods))
    project = await client.call('project.setMethods', { project: project.folder, methods })
  for (const notice of project.checkpoint.notices) session.say(`note: ${notice}`)
  if (data !== undefined) for (const notice of project.data?.notices ?? []) session.say(`note: ${notice}`)
  return project
}

async function openOrCreate({ client }: Session, folder: string, checkpoint: string): Promise<Project> {
  let project: Project
  try {
    project = await client.call('project.open', { folder })
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'not-found') throw error
    return await client.call('project.create', { checkpoint, folder })
  }
  const { fingerprint } = await client.call('checkpoint.inspect', { path: checkpoint })
  if (fingerprint === project.checkpoint.fingerprint) return project
  throw new Fault('bad-arguments', `The project ${folder} is about another checkpoint (${project.checkpoint.path}).`, {
    hint: 'Name that checkpoint, or another project.',
    data: { file: checkpoint, expected: project.checkpoint.fingerprint, found: fingerprint },
  })
}

/** Faults unless there is such a method: told before anything is measured. */
export async function requireMethod({ client }: Session, family: MethodSummary['family'], id: string): Promise<void> {
  const known = (await client.call('method.list', {})).filter((method) => method.family === family)
  if (known.some((method) => method.id === id)) return
  throw new Fault('bad-arguments', `There is no ${family} method "${id}".`, {
    hint: `Known: ${known.map((method) => method.id).join(', ')}.`,
    data: { field: family, found: id },
  })
}
