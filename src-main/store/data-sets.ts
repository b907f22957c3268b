import { relative } from 'node:path'
import { type DataSummary, dataSummarySchema } from '../../src-preload/contract/model.ts'
import type { ReadDb, WriteDb } from './database.ts'
import { all, fromJson, get, nowText } from './query.ts'

export type Split = 'auto' | 'none'

export interface StoredDataSet {
  id: number
  path: string
  relativePath: string
  split: Split
  summary: DataSummary
}

/** Returns the row's id. */
export function saveDataSet(
  db: WriteDb,
  args: { folder: string; path: string; split: Split; summary: DataSummary },
): number {
  const row = get<{ id: number }>(
    db,
    `INSERT INTO data_sets (fingerprint, path, relative_path, split, summary, added_at)
     VALUES (:fingerprint, :path, :relativePath, :split, :summary, :addedAt)
     ON CONFLICT (fingerprint, path, split) DO UPDATE SET summary = :summary, relative_path = :relativePath
     RETURNING id`,
    {
      fingerprint: args.summary.fingerprint,
      path: args.path,
      relativePath: relative(args.folder, args.path),
      split: args.split,
      summary: JSON.stringify(args.summary),
      addedAt: nowText(),
    },
  )
  return row?.id ?? 0
}

type Columns = Omit<StoredDataSet, 'summary'> & { summary: string }
const columns = 'id, path, relative_path AS relativePath, split, summary'
const parse = (db: ReadDb, row: Columns): StoredDataSet => ({
  ...row,
  summary: fromJson(dataSummarySchema, row.summary, { db, field: 'data_sets.summary' }),
})

export function readDataSet(db: ReadDb, args: { id: number }): StoredDataSet | null {
  const row = get<Columns>(db, `SELECT ${columns} FROM data_sets WHERE id = :id`, args)
  return row ? parse(db, row) : null
}

/** Data that the project once used, the latest place of it first. */
export const findDataSets = (db: ReadDb, args: { fingerprint: string; split: Split }): StoredDataSet[] =>
  all<Columns>(
    db,
    `SELECT ${columns} FROM data_sets WHERE fingerprint = :fingerprint AND split = :split ORDER BY id DESC`,
    args,
  ).map((row) => parse(db, row))
