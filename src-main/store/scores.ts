import { type ScoreResult, scoreResultSchema } from '../../src-preload/contract/methods.ts'
import type { ReadDb, WriteDb } from './database.ts'
import { all, fromJson, nowText, run } from './query.ts'
import { canonicalJson } from './recipes.ts'

/** Measured again with the same parameters it replaces what was there; with others it stands beside it. */
export function saveScore(
  db: WriteDb,
  args: { checkpoint: string; data: string; version: number; result: ScoreResult },
): void {
  const { checkpoint, data, version, result } = args
  const { method, parameters = {} } = result
  run(
    db,
    `INSERT INTO scores (checkpoint, data, method, parameters, version, result, measured_at, place)
     VALUES (:checkpoint, :data, :method, :parameters, :version, :result, :measuredAt,
       (SELECT coalesce(max(place), 0) + 1 FROM scores))
     ON CONFLICT DO UPDATE SET version = :version, result = :result, measured_at = :measuredAt, place = excluded.place`,
    {
      ...{ checkpoint, data, method, version, parameters: canonicalJson(parameters) },
      ...{ result: JSON.stringify(result), measuredAt: nowText() },
    },
  )
}

/** All scores of a checkpoint: those that needed no data, and those measured on this data. Of one method the latest comes last,
 *  on the project's own data after what needed none. */
export function listScores(db: ReadDb, args: { checkpoint: string; data: string }): ScoreResult[] {
  return all<{ result: string; measuredAt: string }>(
    db,
    `SELECT result, measured_at AS measuredAt FROM scores WHERE checkpoint = :checkpoint AND data IN ('', :data)
     ORDER BY method, data, place`,
    args,
  ).map(({ result, measuredAt }) => ({
    ...fromJson(scoreResultSchema, result, { db, field: 'scores.result' }),
    measuredAt,
  }))
}

/** The latest of each method, with the parameters of the others that are kept, the newest first. */
export const latestScores = (db: ReadDb, args: { checkpoint: string; data: string }): ScoreResult[] =>
  [...Map.groupBy(listScores(db, args), ({ method }) => method).values()].map((found) => {
    const others = found.slice(0, -1).map(({ parameters = {} }) => parameters)
    return { ...(found.at(-1) as ScoreResult), ...(others.length > 0 && { others: others.reverse() }) }
  })
