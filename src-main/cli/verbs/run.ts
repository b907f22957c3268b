import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { type Recipe, recipeSchema } from '../../../src-preload/contract/plan.ts'
import { type CommonOptions, openWork, withSession } from '../session.ts'
import { print } from '../output.ts'
import { deliver, deliveryWords } from './deliver.ts'

interface Options extends CommonOptions {
  recipe: string
  data?: string
  out: string
  format: string
  overwrite?: boolean
}

export function readRecipe(file: string): Recipe {
  let document: unknown
  try {
    document = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new Fault(
      missing ? 'not-found' : 'bad-input',
      `${file}: ${missing ? 'there is no such file' : `not JSON (${(error as Error).message})`}.`,
      {
        data: { file },
        hint: 'Write a recipe with: lathe plan MODEL --data D --bits 4 --out recipe.json',
      },
    )
  }
  const parsed = recipeSchema.safeParse(document)
  if (!parsed.success)
    throw new Fault('bad-input', `${file}: not a recipe. ${z.prettifyError(parsed.error)}`, { data: { file } })
  return parsed.data
}

export const run = (model: string, options: Options): Promise<void> =>
  withSession(options, async (session) => {
    const recipe = readRecipe(resolve(options.recipe))
    const project = await openWork(session, model, options, options.data)
    const delivery = await deliver(session, project.folder, recipe, {
      ...options,
      evaluate: options.data !== undefined,
    })
    print(options, delivery, () => deliveryWords(delivery))
  })
