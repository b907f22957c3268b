import { type ScoreResult, scoreResultSchema } from '../../src-preload/contract/methods.ts'
import type { ReadDb, WriteDb } from './database.ts'
import { all, fromJson, nowText, run } from './query.ts'

export function saveScore(
  db: WriteDb,
  args: { checkpoint: string; data: string; version: number; result: ScoreResult },
): void {
  run(
    db,
    `INSERT INTO scores (checkpoint, data, method, version, result, measured_at)
     VALUES (:checkpoint, :data, :method, :version, :result, :measuredAt)
     ON CONFLICT DO UPDATE SET version = :version, result = :result, measured_at = :measuredAt`,
    { ...args, method: args.result.method, result: JSON.stringify(args.result), measuredAt: nowText() },
  )
}

/** Scores of a checkpoint: those that needed no data, and those measured on this data. */
export function listScores(db: ReadDb, args: { checkpoint: string; data: string }): ScoreResult[] {
  return all<{ result: string }>(
    db,
    `SELECT result FROM scores WHERE checkpoint = :checkpoint AND data IN ('', :data) ORDER BY method, data`,
    args,
  ).map((row) => fromJson(scoreResultSchema, row.result, { db, field: 'scores.result' }))
}
