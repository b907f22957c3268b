import { z } from 'zod'
import { type FaultShape, faultSchema } from '../../src-preload/contract/fault.ts'
import { jobKinds, type JobKind, type JobState, jobStates } from '../../src-preload/contract/job.ts'
import type { ReadDb, WriteDb } from './database.ts'
import { all, fromJson, nowText, run } from './query.ts'

/** A job as it lies on disk: enough to list it and to begin it again from its arguments. */
export interface JobRow {
  id: string
  kind: JobKind
  title: string
  args: unknown
  state: JobState
  unitsDone: number
  unitsTotal: number
  progress: number
  elapsedMs: number
  notices: string[]
  fault: FaultShape | null
  result: string | null
}

export function saveJob(db: WriteDb, job: JobRow): void {
  run(
    db,
    `INSERT INTO jobs (id, kind, title, args, state, units_done, units_total, progress, elapsed_ms, notices, fault,
       result, created_at)
     VALUES (:id, :kind, :title, :args, :state, :unitsDone, :unitsTotal, :progress, :elapsedMs, :notices, :fault,
       :result, :createdAt)
     ON CONFLICT (id) DO UPDATE SET state = :state, units_done = :unitsDone, units_total = :unitsTotal,
       progress = :progress, elapsed_ms = :elapsedMs, notices = :notices, fault = :fault, result = :result`,
    {
      ...job,
      args: JSON.stringify(job.args),
      notices: JSON.stringify(job.notices),
      fault: job.fault ? JSON.stringify(job.fault) : null,
      createdAt: nowText(),
    },
  )
}

interface Columns extends Omit<JobRow, 'args' | 'notices' | 'fault'> {
  args: string
  notices: string
  fault: string | null
}

/** Jobs that were waiting or working when they were last heard of, and the newest of those that ended; oldest first. */
export function listJobs(db: ReadDb, args: { ended: number }): JobRow[] {
  const rows = all<Columns>(
    db,
    `SELECT id, kind, title, args, state, units_done AS unitsDone, units_total AS unitsTotal, progress,
       elapsed_ms AS elapsedMs, notices, fault, result
     FROM jobs WHERE state IN ('queued', 'running', 'interrupted')
       OR rowid IN (SELECT rowid FROM jobs WHERE state IN ('done', 'failed', 'cancelled') ORDER BY rowid DESC LIMIT :ended)
     ORDER BY rowid`,
    args,
  )
  return rows.map((row) => ({
    ...row,
    kind: fromJson(z.enum(jobKinds), JSON.stringify(row.kind), { db, field: 'jobs.kind' }),
    state: fromJson(z.enum(jobStates), JSON.stringify(row.state), { db, field: 'jobs.state' }),
    args: fromJson(z.json(), row.args, { db, field: 'jobs.args' }),
    notices: fromJson(z.array(z.string()), row.notices, { db, field: 'jobs.notices' }),
    fault: row.fault === null ? null : fromJson(faultSchema, row.fault, { db, field: 'jobs.fault' }),
  }))
}

export const removeJob = (db: WriteDb, args: { id: string }): number => run(db, 'DELETE FROM jobs WHERE id = :id', args)
