// `npm run new:method -- <family> <id>`: one file, one list line, one test that fails until the method is written.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { families, type MethodFamily } from '../src-preload/contract/methods.ts'
import { definePattern, placeOf, scaffold } from './scaffold.ts'

const root = resolve(import.meta.dirname, '..')

/** First name an exported function or constant of a file has that fits. */
function exported(file: string, pattern: RegExp): string {
  const found = existsSync(file) ? pattern.exec(readFileSync(file, 'utf8'))?.[1] : undefined
  if (found === undefined) throw new Error(`${file} exports nothing like ${pattern.source}`)
  return found
}

const isFamily = (name: string | undefined): name is MethodFamily => families.some((family) => family === name)

function create(family: string | undefined, id: string | undefined): string[] {
  if (!isFamily(family) || !id || !/^[a-z][a-z0-9-]*$/.test(id))
    throw new Error(`Usage: npm run new:method -- <${families.join('|')}> <id>   (id: a-z, 0-9, -)`)
  const engine = join(root, 'src-main/engine')
  const place = placeOf(family)
  const registryFile = join(engine, place.registry, 'registry.ts')
  const define = exported(join(engine, place.define, 'define.ts'), definePattern(family))
  const list = exported(registryFile, /export const (\w+)/)
  const texts = scaffold(family, id, define, list, readFileSync(registryFile, 'utf8'))
  const methodFile = join(engine, place.folder, `${id}.ts`)
  const testFile = join(root, 'test/engine', place.folder, `${id}.test.ts`)
  for (const file of [methodFile, testFile]) if (existsSync(file)) throw new Error(`${file} exists already.`)
  mkdirSync(dirname(testFile), { recursive: true })
  writeFileSync(methodFile, texts.method)
  writeFileSync(testFile, texts.test)
  writeFileSync(registryFile, texts.registry)
  return [methodFile, registryFile, testFile]
}

try {
  const [family, id] = process.argv.slice(2)
  const files = create(family, id)
  spawnSync(process.execPath, [join(root, 'node_modules/prettier/bin/prettier.cjs'), '--write', ...files])
  process.stdout.write(`${files.join('\n')}\n`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
}
