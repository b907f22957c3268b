import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { type Recipe, recipeSchema } from '../../../src-preload/contract/plan.ts'
import { type CommonOptions, openWork, withSession } from '../session.ts'
import { print } from '../output.ts'
import { conversionParameters } from '../parameters.ts'
import { checkTarget, deliver, deliveryWords } from './deliver.ts'

interface Options extends CommonOptions {
  recipe: string
  data?: string
  out: string
  format?: string
  param?: string[]
  overwrite?: boolean
  evaluate: boolean
}

const mostRecipeBytes = 64 * 2 ** 20

/** The text of a recipe file; devices and folders are not read. */
function readRecipeText(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false })
  const hint = 'Write a recipe with: lathe plan MODEL --data D --bits 4 --out recipe.json'
  if (!stat) throw new Fault('not-found', `${file}: there is no such file.`, { data: { file }, hint })
  if (!stat.isFile()) throw new Fault('bad-input', `${file}: not a plain file.`, { data: { file }, hint })
  if (stat.size > mostRecipeBytes)
    throw new Fault('too-large', `${file}: ${stat.size} bytes, a recipe has at most ${mostRecipeBytes}.`, {
      data: { file, expected: `at most ${mostRecipeBytes} bytes`, found: `${stat.size} bytes` },
      hint,
    })
  return readFileSync(file, 'utf8')
}

/** Reads a recipe file. Faults name the file and what is wrong with it. */
export function readRecipe(file: string): Recipe {
  const text = readRecipeText(file)
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    throw new Fault('bad-input', `${file}: not JSON (${(error as Error).message}).`, { data: { file }, cause: error })
  }
  const version = z.looseObject({ lathe: z.number() }).safeParse(document)
  if (version.success && version.data.lathe > 1)
    throw new Fault('unsupported', `${file}: a recipe of version ${version.data.lathe}, this Lathe reads version 1.`, {
      hint: 'Use the Lathe that wrote it, or plan again.',
      data: { file, field: 'lathe', expected: '1', found: String(version.data.lathe) },
    })
  const parsed = recipeSchema.safeParse(document)
  if (!parsed.success)
    throw new Fault('bad-input', `${file}: not a recipe. ${z.prettifyError(parsed.error)}`, { data: { file } })
  const names = parsed.data.layers.map(({ name }) => name)
  const unseen = new Set(names)
  const twice = names.find((name) => !unseen.delete(name))
  if (twice !== undefined)
    throw new Fault('bad-input', `${file}: not a recipe. It names ${twice} twice.`, {
      data: { file, field: 'layers', tensor: twice },
    })
  return parsed.data
}

export const run = (model: string, options: Options): Promise<void> =>
  withSession(options, async (session) => {
    const recipe = readRecipe(resolve(options.recipe))
    const format = await checkTarget(session, model, { ...options, format: options.format ?? recipe.format })
    const parameters = await conversionParameters(session, format, options)
    const project = await openWork(session, model, options, options.data)
    const delivery = await deliver(session, project.folder, recipe, {
      ...options,
      format,
      parameters,
      evaluate: options.data !== undefined && options.evaluate,
    })
    print(options, delivery, () => deliveryWords(delivery))
  })
