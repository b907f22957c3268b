import { createHash } from 'node:crypto'
import { type Recipe, recipeSchema } from '../../src-preload/contract/plan.ts'
import type { ReadDb, WriteDb } from './database.ts'
import { fromJson, get, nowText, run } from './query.ts'

/** JSON with sorted keys: the same value gives the same text whoever wrote it. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined)
    entries.sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`
  }
  return JSON.stringify(value)
}

/** Identity of a recipe: what it does to the network before, and to which layer, with which seed and on whose data; the order
 *  of its layers, the checkpoint's name and the export format it was planned for do not matter. */
export function recipeId(recipe: Recipe): string {
  const layers = recipe.layers.filter((layer) => layer.option.method !== 'keep')
  layers.sort((a, b) => (a.name < b.name ? -1 : 1))
  const { lathe, checkpoint, seed, data, methods } = recipe
  const before = methods && {
    ...(methods.prepare.length > 0 && { prepare: methods.prepare }),
    ...(methods.samples !== null && { samples: methods.samples }),
  }
  const identity = { lathe, checkpoint: checkpoint.fingerprint, seed, data, ...before, layers }
  return createHash('sha256').update(canonicalJson(identity)).digest('hex').slice(0, 32)
}

/** Returns the recipe's id. */
export function saveRecipe(db: WriteDb, args: { recipe: Recipe }): string {
  const id = recipeId(args.recipe)
  run(
    db,
    `INSERT INTO recipes (id, checkpoint, body, created_at) VALUES (:id, :checkpoint, :body, :createdAt)
     ON CONFLICT (id) DO NOTHING`,
    { id, checkpoint: args.recipe.checkpoint.fingerprint, body: JSON.stringify(args.recipe), createdAt: nowText() },
  )
  return id
}

export function readRecipe(db: ReadDb, args: { id: string }): Recipe | null {
  const row = get<{ body: string }>(db, 'SELECT body FROM recipes WHERE id = :id', args)
  return row ? fromJson(recipeSchema, row.body, { db, field: 'recipes.body' }) : null
}
