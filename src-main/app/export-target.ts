import { existsSync, readdirSync, statSync } from 'node:fs'
import { extname, join, resolve } from 'node:path'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { MethodSummary } from '../../src-preload/contract/methods.ts'
import type { AppContext } from './context.ts'
import { methodsOf } from './method.ts'

/** An export format by its id. */
export async function exportMethod(context: AppContext, id: string): Promise<MethodSummary> {
  const formats = (await methodsOf(context)).methods.filter(({ family }) => family === 'export')
  const found = formats.find((method) => method.id === id)
  if (found) return found
  throw new Fault('bad-arguments', `There is no export format "${id}".`, {
    hint: `Known: ${formats.map((known) => known.id).join(', ')}.`,
    data: { field: 'format', found: id },
  })
}

/** What will be written: a path with the format's extension is that file, any other is a folder for it. A path with another
 *  format's extension is a mistake. */
export async function targetOf(context: AppContext, path: string, { title, file }: MethodSummary): Promise<string> {
  const whole = resolve(path)
  const own = file?.extension ?? ''
  const found = extname(whole).toLowerCase()
  if (own !== '' && found === own) return whole
  const { methods } = await methodsOf(context)
  if (found !== '' && methods.some((method) => method.file?.extension === found))
    throw new Fault(
      'bad-arguments',
      `${path}: ${own === '' ? `${title} is a folder` : `a file of ${title} ends in ${own}`}, not in ${found}.`,
      {
        hint:
          own === ''
            ? 'Name a folder, or choose another format.'
            : `Name it ${own}, name a folder, or choose another format.`,
        data: { field: 'path', expected: own, found },
      },
    )
  return own === '' ? whole : join(whole, `model${own}`)
}

const isEmptyFolder = (path: string): boolean => statSync(path).isDirectory() && readdirSync(path).length === 0

export function refuseTaken(path: string): void {
  // A name that is too long does not exist either.
  if (!existsSync(path) || isEmptyFolder(path)) return
  throw new Fault('conflict', `${path} already exists.`, {
    hint: 'Choose another name, or allow overwriting.',
    data: { file: path },
  })
}

/** True when the target appeared after the job was asked for: an earlier attempt of this very job had already put the
 *  finished file in its place when it was killed. */
export function isOwnLeftover(path: string, askedAtMs: number): boolean {
  const stat = existsSync(path) ? statSync(path, { throwIfNoEntry: false }) : undefined
  return stat !== undefined && stat.ctimeMs >= askedAtMs
}
