import { relative } from 'node:path'
import { type CheckpointSummary, checkpointSummarySchema } from '../../src-preload/contract/model.ts'
import type { ReadDb, WriteDb } from './database.ts'
import { fromJson, get, nowText, run } from './query.ts'

export interface StoredCheckpoint {
  path: string
  relativePath: string // from the project's folder, for projects that travel together with their checkpoint
  summary: CheckpointSummary
}

export function saveCheckpoint(db: WriteDb, args: { folder: string; summary: CheckpointSummary }): void {
  const { summary, folder } = args
  run(
    db,
    `INSERT INTO checkpoints (fingerprint, path, relative_path, summary, added_at)
     VALUES (:fingerprint, :path, :relativePath, :summary, :addedAt)
     ON CONFLICT (fingerprint) DO UPDATE SET path = :path, relative_path = :relativePath, summary = :summary`,
    {
      fingerprint: summary.fingerprint,
      path: summary.path,
      relativePath: relative(folder, summary.path),
      summary: JSON.stringify(summary),
      addedAt: nowText(),
    },
  )
}

export function readCheckpoint(db: ReadDb, args: { fingerprint: string }): StoredCheckpoint | null {
  const row = get<{ path: string; relativePath: string; summary: string }>(
    db,
    'SELECT path, relative_path AS relativePath, summary FROM checkpoints WHERE fingerprint = :fingerprint',
    args,
  )
  if (!row) return null
  return { ...row, summary: fromJson(checkpointSummarySchema, row.summary, { db, field: 'checkpoints.summary' }) }
}
