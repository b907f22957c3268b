import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Client, createClient } from '../../src-preload/contract/client.ts'
import type { Project } from '../../src-preload/contract/project.ts'
import { type Caller, createDispatch, type Dispatch, type Handlers } from '../../src-preload/contract/server.ts'
import { createQueue } from '../jobs/queue.ts'
import { createSupervisor, type Engine, type SupervisorOptions } from '../jobs/supervisor.ts'
import { defaultHome } from '../store/home.ts'
import { removeJob, saveJob } from '../store/jobs.ts'
import { checkpointHandlers } from './checkpoint.ts'
import type { AppContext, Dialogs } from './context.ts'
import { convertHandlers } from './convert.ts'
import { dataHandlers } from './data.ts'
import { deviceHandlers } from './device.ts'
import { evaluateHandlers } from './evaluate.ts'
import { createJobsEvent, type Listener } from './events.ts'
import { exportHandlers } from './export.ts'
import { filesHandlers } from './files.ts'
import { floorHandlers } from './floor.ts'
import { frontHandlers } from './front.ts'
import { importanceHandlers } from './importance.ts'
import { infoHandlers } from './info.ts'
import { jobHandlers } from './job.ts'
import { methodHandlers } from './method.ts'
import { optionHandlers } from './option.ts'
import { notePace } from './pace.ts'
import { planHandlers } from './plan.ts'
import { preflightHandlers } from './preflight.ts'
import { projectHandlers } from './project.ts'
import { createProjects } from './projects.ts'
import { adoptJobs, prepareJob } from './recover.ts'
import { ratesHandlers } from './rates.ts'
import { runHandlers } from './run.ts'
import { scoreHandlers } from './score.ts'
import { scorePlansHandlers } from './score-plans.ts'
import { openScratch } from './scratch.ts'
import { sensitivityHandlers } from './sensitivity.ts'
import { shootoutHandlers } from './shootout.ts'
import { variantHandlers } from './variant.ts'
import { xrayHandlers } from './xray.ts'

export interface AppOptions {
  /** Where what belongs to no project is kept; default: LATHE_HOME, else the platform's place. */
  home?: string
  door: Caller['door']
  dialogs?: Dialogs
  /** How the engine process is started; the defaults fit source, bundle and package. */
  engine?: SupervisorOptions
}

/** Lathe without a door: every use-case behind the contract. */
export interface App {
  dispatch: Dispatch
  /** Typed calls from inside this process; without a caller, as the person at this door. */
  client(caller?: Caller): Client
  /** Returns the unsubscribe. */
  onEvent(listener: Listener): () => void
  /** The project a command works in when none was named: one per checkpoint, kept under home. */
  openScratch(checkpoint: string): Promise<Project>
  /** Ends the engine; running jobs become 'interrupted'. */
  close(): Promise<void>
}

const allHandlers = (context: AppContext): Handlers => ({
  ...infoHandlers(context),
  ...deviceHandlers(context),
  ...ratesHandlers(context),
  ...methodHandlers(context),
  ...filesHandlers(context),
  ...checkpointHandlers(context),
  ...dataHandlers(context),
  ...projectHandlers(context),
  ...scoreHandlers(context),
  ...scorePlansHandlers(context),
  ...xrayHandlers(context),
  ...sensitivityHandlers(context),
  ...shootoutHandlers(context),
  ...optionHandlers(context),
  ...planHandlers(context),
  ...preflightHandlers(context),
  ...runHandlers(context),
  ...variantHandlers(context),
  ...evaluateHandlers(context),
  ...floorHandlers(context),
  ...frontHandlers(context),
  ...exportHandlers(context),
  ...convertHandlers(context),
  ...importanceHandlers(context),
  ...jobHandlers(context),
})

export function createApp(options: AppOptions): App {
  const home = resolve(options.home ?? defaultHome())
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const listeners = new Set<Listener>()
  const emit = (event: string, snapshot: unknown): void => {
    for (const listener of listeners) listener(event, snapshot)
  }
  const engine = { ...options.engine, told: { LATHE_DEVICE_CHOICES: join(home, 'devices.json') } }
  const questions: Engine = createSupervisor(engine)
  const workshop: Engine = createSupervisor(engine)
  const projects = createProjects(options.door, (project) => adoptJobs(queue, project))
  const queue = createQueue({
    engine: workshop,
    prepare: (order, unitContext) => prepareJob(context)(order, unitContext),
    acquire: (folder) => projects.get(folder).lock.acquire(),
    persist: (order, job) => {
      const { id, kind, title, args } = order
      saveJob(projects.get(order.project).store.write, { ...job, id, kind, title, args })
    },
    forget: (order) => void removeJob(projects.get(order.project).store.write, { id: order.id }),
    timed: (order, unit, ms) => notePace(projects.get(order.project), unit, ms),
    changed: () => jobsEvent.changed(),
  })
  const jobsEvent = createJobsEvent(
    () => queue.list(),
    (jobs) => emit('jobs', jobs),
  )
  const context: AppContext = {
    home,
    door: options.door,
    dialogs: options.dialogs ?? null,
    questions,
    workshop,
    queue,
    projects,
    emit,
  }
  const dispatch = createDispatch(allHandlers(context))
  const onEvent = (listener: Listener): (() => void) => {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }
  let closing: Promise<void> | null = null

  return {
    dispatch,
    onEvent,
    client: (caller = { door: options.door, trusted: true }) =>
      createClient({
        invoke: (channel, args) => dispatch(channel, args, caller),
        subscribe: (event, listener) => onEvent((name, snapshot) => name === event && listener(snapshot)),
      }),
    openScratch: (checkpoint) => openScratch(context, checkpoint),
    close: () =>
      (closing ??= (async () => {
        queue.close()
        jobsEvent.close()
        await Promise.all([questions.close(), workshop.close()])
        projects.close()
      })()),
  }
}
