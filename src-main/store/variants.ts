import type { Variant } from '../../src-preload/contract/results.ts'
import type { ReadDb, WriteDb } from './database.ts'
import { all, get, nowText, run } from './query.ts'

/** A recipe has one variant: making it again gives the same weights, so the row is kept. Planned again for another export
 *  format, it stands for that one. */
export function saveVariant(
  db: WriteDb,
  args: {
    id: string
    run: string
    recipe: string
    name: string
    format: string
    bytes: number
    averageBits: number
    predictedLoss: number | null
    uniform: boolean
  },
): void {
  run(
    db,
    `INSERT INTO variants (id, run, recipe, name, format, bytes, average_bits, predicted_loss, uniform, pinned, created_at)
     VALUES (:id, :run, :recipe, :name, :format, :bytes, :averageBits, :predictedLoss, :uniform, 0, :createdAt)
     ON CONFLICT (recipe) DO UPDATE SET format = :format, bytes = :bytes`,
    { ...args, uniform: args.uniform ? 1 : 0, createdAt: nowText() },
  )
}

interface Columns extends Omit<Variant, 'uniform' | 'pinned'> {
  uniform: number
  pinned: number
}
const columns = `id, name, recipe AS recipeId, format, bytes, average_bits AS averageBits, predicted_loss AS predictedLoss,
  uniform, pinned, created_at AS createdAt`
const toVariant = (row: Columns): Variant => ({ ...row, uniform: row.uniform === 1, pinned: row.pinned === 1 })

export const listVariants = (db: ReadDb): Variant[] =>
  all<Columns>(db, `SELECT ${columns} FROM variants ORDER BY rowid`).map(toVariant)

export function readVariant(db: ReadDb, args: { id: string }): Variant | null {
  const row = get<Columns>(db, `SELECT ${columns} FROM variants WHERE id = :id`, args)
  return row ? toVariant(row) : null
}

export const pinVariant = (db: WriteDb, args: { id: string; pinned: boolean }): number =>
  run(db, 'UPDATE variants SET pinned = :pinned WHERE id = :id', { id: args.id, pinned: args.pinned ? 1 : 0 })

export const renameVariant = (db: WriteDb, args: { id: string; name: string }): number =>
  run(db, 'UPDATE variants SET name = :name WHERE id = :id', args)

/** Its evaluations and exports go with it. */
export const removeVariant = (db: WriteDb, args: { id: string }): number =>
  run(db, 'DELETE FROM variants WHERE id = :id', args)
