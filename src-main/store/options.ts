import type { ReadDb, WriteDb } from './database.ts'
import { all, run } from './query.ts'

/** What one option of one layer costs in quality, measured with everything else original. */
export interface OptionRow {
  layer: string
  option: string
  samples: number
  loss: number // nats of KL divergence per prediction
  error: number // relative squared weight error
  standardError: number | null // of `loss`, over the samples
  source: string
}

export function saveOption(db: WriteDb, args: OptionRow & { checkpoint: string; data: string }): void {
  run(
    db,
    `INSERT INTO options (checkpoint, data, layer, option, samples, loss, error, standard_error, source)
     VALUES (:checkpoint, :data, :layer, :option, :samples, :loss, :error, :standardError, :source)
     ON CONFLICT DO UPDATE SET samples = :samples, loss = :loss, error = :error,
       standard_error = :standardError, source = :source`,
    { ...args },
  )
}

export const listOptions = (db: ReadDb, args: { checkpoint: string; data: string }): OptionRow[] =>
  all<OptionRow>(
    db,
    `SELECT layer, option, samples, loss, error, standard_error AS standardError, source FROM options
     WHERE checkpoint = :checkpoint AND data = :data`,
    args,
  )
