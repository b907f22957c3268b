import type { JobKind } from '../../src-preload/contract/job.ts'
import type { Engine, TaskHooks } from './supervisor.ts'
import type { UnitCost } from './progress.ts'

/** What a unit may use. `hooks` goes with every engine call: it carries progress, notices, cancel and retries. */
export interface UnitContext {
  engine: Engine
  hooks: Required<Pick<TaskHooks, 'progress' | 'notify' | 'signal' | 'retries'>>
}

/** The smallest piece of a job that is kept once it is done. */
export interface Unit extends UnitCost {
  key: string // the same after a restart
  step: string // what a person reads while it runs
  /** True when it was finished earlier and what it made is still intact. */
  isDone(): boolean | Promise<boolean>
  /** Does it and keeps the result; when it returns, the unit need never be done again. */
  run(context: UnitContext): Promise<void>
}

export interface Work {
  units: Unit[]
  /** After the last unit. Returns the id of what the job made. */
  finish(): string | null | Promise<string | null>
}

/** A job as asked for. `prepare` is called when its turn comes, and again on resume: it depends on `args` alone. */
export interface JobOrder {
  id: string
  project: string // folder
  kind: JobKind
  title: string
  args: unknown
}

/** What a job type is: arguments -> work. */
export type Prepare = (order: JobOrder, context: UnitContext) => Promise<Work>
