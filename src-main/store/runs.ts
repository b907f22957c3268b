import type { ReadDb, WriteDb } from './database.ts'
import { get, nowText, run } from './query.ts'

/** One execution of a recipe. The same recipe keeps its run, however often it is begun again. */
export function startRun(db: WriteDb, args: { recipe: string; job: string | null }): string {
  const id = `run-${args.recipe}`
  run(
    db,
    `INSERT INTO runs (id, recipe, job, state, created_at)
     VALUES (:id, :recipe, (SELECT id FROM jobs WHERE id = :job), 'started', :createdAt)
     ON CONFLICT (id) DO UPDATE SET job = excluded.job`,
    { id, ...args, createdAt: nowText() },
  )
  return id
}

export const finishRun = (db: WriteDb, args: { id: string }): number =>
  run(db, `UPDATE runs SET state = 'finished' WHERE id = :id`, args)

export const runState = (db: ReadDb, args: { id: string }): 'started' | 'finished' | null =>
  get<{ state: 'started' | 'finished' }>(db, 'SELECT state FROM runs WHERE id = :id', args)?.state ?? null
