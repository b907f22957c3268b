import { type ExportResult, exportResultSchema } from '../../src-preload/contract/results.ts'
import type { ReadDb, WriteDb } from './database.ts'
import { all, fromJson, nowText, run } from './query.ts'

export function saveExport(db: WriteDb, args: { result: ExportResult }): void {
  run(
    db,
    `INSERT INTO exports (id, variant, result, created_at) VALUES (:id, :variant, :result, :createdAt)
     ON CONFLICT (id) DO UPDATE SET result = :result`,
    {
      id: args.result.id,
      variant: args.result.variant,
      result: JSON.stringify(args.result),
      createdAt: nowText(),
    },
  )
}

export const listExports = (db: ReadDb): ExportResult[] =>
  all<{ result: string }>(db, 'SELECT result FROM exports ORDER BY rowid').map((row) =>
    fromJson(exportResultSchema, row.result, { db, field: 'exports.result' }),
  )
