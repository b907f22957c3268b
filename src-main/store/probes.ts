import type { z } from 'zod'
import type { ReadDb, WriteDb } from './database.ts'
import { all, fromJson, get, run } from './query.ts'

/** What a probe was gathered from. `data` is a fingerprint, '' for the weights alone. */
export interface ProbeKey {
  checkpoint: string
  data: string
  kind: string // 'candidates:onnx', 'weight-error'
  key: string // layer, block or ''
}

export function saveProbe(db: WriteDb, args: ProbeKey & { version: number; value: unknown }): void {
  run(
    db,
    `INSERT INTO probes (checkpoint, data, kind, key, version, value)
     VALUES (:checkpoint, :data, :kind, :key, :version, :value)
     ON CONFLICT DO UPDATE SET version = :version, value = :value`,
    { ...args, value: JSON.stringify(args.value) },
  )
}

/** null when it was never gathered, or by an older version of the method. */
export function readProbe<S extends z.ZodType>(
  db: ReadDb,
  args: ProbeKey & { version: number },
  schema: S,
): z.output<S> | null {
  const row = get<{ value: string }>(
    db,
    `SELECT value FROM probes
     WHERE checkpoint = :checkpoint AND data = :data AND kind = :kind AND key = :key AND version = :version`,
    { ...args },
  )
  return row ? fromJson(schema, row.value, { db, field: `probes.value (${args.kind})` }) : null
}

/** All probes of one kind, by key. */
export function readProbes<S extends z.ZodType>(
  db: ReadDb,
  args: Omit<ProbeKey, 'key'> & { version: number },
  schema: S,
): Map<string, z.output<S>> {
  const rows = all<{ key: string; value: string }>(
    db,
    `SELECT key, value FROM probes
     WHERE checkpoint = :checkpoint AND data = :data AND kind = :kind AND version = :version`,
    { ...args },
  )
  return new Map(
    rows.map((row) => [row.key, fromJson(schema, row.value, { db, field: `probes.value (${args.kind})` })]),
  )
}

/** Whether there was one. */
export const removeProbe = (db: WriteDb, args: ProbeKey): boolean =>
  run(db, 'DELETE FROM probes WHERE checkpoint = :checkpoint AND data = :data AND kind = :kind AND key = :key', {
    ...args,
  }) > 0
