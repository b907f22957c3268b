import { type Evaluation, evaluationSchema } from '../../src-preload/contract/results.ts'
import type { ReadDb, WriteDb } from './database.ts'
import { all, fromJson, nowText, run } from './query.ts'

/** `data` is the data set's fingerprint; measuring the same thing again replaces nothing and gives the same id. */
export function saveEvaluation(db: WriteDb, args: { checkpoint: string; data: string; evaluation: Evaluation }): void {
  const { evaluation } = args
  run(
    db,
    `INSERT INTO evaluations (id, checkpoint, variant, data, device, result, created_at)
     VALUES (:id, :checkpoint, :variant, :data, :device, :result, :createdAt)
     ON CONFLICT (id) DO UPDATE SET result = :result`,
    {
      id: evaluation.id,
      checkpoint: args.checkpoint,
      variant: evaluation.variant,
      data: args.data,
      device: evaluation.device,
      result: JSON.stringify(evaluation),
      createdAt: nowText(),
    },
  )
}

const parse = (db: ReadDb, rows: { result: string }[]): Evaluation[] =>
  rows.map((row) => fromJson(evaluationSchema, row.result, { db, field: 'evaluations.result' }))

export const listEvaluations = (db: ReadDb, args: { checkpoint: string }): Evaluation[] =>
  parse(db, all(db, 'SELECT result FROM evaluations WHERE checkpoint = :checkpoint ORDER BY rowid', args))

/** Evaluations on one data set, of the original (null) and of every variant. */
export const listEvaluationsOn = (db: ReadDb, args: { checkpoint: string; data: string }): Evaluation[] =>
  parse(
    db,
    all(db, 'SELECT result FROM evaluations WHERE checkpoint = :checkpoint AND data = :data ORDER BY rowid', args),
  )

export function readEvaluation(db: ReadDb, args: { id: string }): Evaluation | null {
  return parse(db, all(db, 'SELECT result FROM evaluations WHERE id = :id', args))[0] ?? null
}
