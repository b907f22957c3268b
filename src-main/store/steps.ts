import { z } from 'zod'
import type { ReadDb, WriteDb } from './database.ts'
import { all, fromJson, get, run } from './query.ts'

/** One finished unit of work. `file` is inside the project's artifacts folder. */
export interface StepRow {
  key: string
  run: string | null
  task: string
  file: string | null
  sha256: string | null
  bytes: number | null
  result: unknown
}

/** Committed with FULL sync: once this returns, the unit need never be done again. */
export function saveStep(db: WriteDb, step: StepRow): void {
  run(
    db,
    `INSERT INTO steps (key, run, task, file, sha256, bytes, result)
     VALUES (:key, :run, :task, :file, :sha256, :bytes, :result)
     ON CONFLICT (key) DO UPDATE SET file = :file, sha256 = :sha256, bytes = :bytes, result = :result`,
    { ...step, result: JSON.stringify(step.result) },
  )
}

export function readStep(db: ReadDb, args: { key: string }): StepRow | null {
  const row = get<Omit<StepRow, 'result'> & { result: string }>(
    db,
    'SELECT key, run, task, file, sha256, bytes, result FROM steps WHERE key = :key',
    args,
  )
  return row ? { ...row, result: fromJson(z.json(), row.result, { db, field: 'steps.result' }) } : null
}

/** A step whose artifact is gone or no longer hashes right is done again. */
export const removeStep = (db: WriteDb, args: { key: string }): number =>
  run(db, 'DELETE FROM steps WHERE key = :key', args)

export const listStepFiles = (db: ReadDb): Set<string> =>
  new Set(all<{ file: string }>(db, 'SELECT DISTINCT file FROM steps WHERE file IS NOT NULL').map((row) => row.file))
