import type { ParsedArguments, EventName, Snapshot } from '../../src-preload/contract/channels.ts'
import type { Caller } from '../../src-preload/contract/server.ts'
import type { TaskArguments, TaskName, TaskResult } from '../engine/protocol.ts'
import type { Queue } from '../jobs/queue.ts'
import type { Engine } from '../jobs/supervisor.ts'
import type { Projects } from './projects.ts'

/** What a door with a desktop offers; a door without one leaves it out. */
export interface Dialogs {
  /** What the person chose, or null. */
  pick(purpose: ParsedArguments<'files.pick'>['purpose']): Promise<string | null>
  /** Shows a file in the system's file manager. */
  reveal(path: string): Promise<void>
}

/** What every use-case may use. */
export interface AppContext {
  home: string
  door: Caller['door']
  dialogs: Dialogs | null
  /** Answers questions (inspect, histogram) while a job runs. */
  questions: Engine
  /** Does the jobs' work, one unit at a time. */
  workshop: Engine
  queue: Queue
  projects: Projects
  emit<E extends EventName>(event: E, snapshot: Snapshot<E>): void
}

/** Asks the engine something while a person waits. Given up after two minutes, for untrusted files may make it endless;
 *  asked once more when the engine died, for it may have died of something else. */
export const ask = <N extends TaskName>(
  { questions }: AppContext,
  name: N,
  args: TaskArguments<N>,
): Promise<TaskResult<N>> => questions.run(name, args, { timeoutMs: 120_000, retries: 1 })
