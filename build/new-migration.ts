// `npm run db:new -- <title>`: the next migration of the project store and its list line. Write its SQL and a frozen test
// of it; a migration that was shipped is never edited.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { migration } from './scaffold.ts'

const folder = resolve(import.meta.dirname, '../src-main/store/migrations')
const registryFile = join(folder, 'registry.ts')
const [id] = process.argv.slice(2)

if (!id || !/^[a-z][a-z0-9-]*$/.test(id)) {
  process.stderr.write('Usage: npm run db:new -- <title>   (a-z, 0-9, -)\n')
  process.exitCode = 2
} else {
  const { file, text, registry } = migration(id, readFileSync(registryFile, 'utf8'))
  writeFileSync(join(folder, file), text, { flag: 'wx' })
  writeFileSync(registryFile, registry)
  process.stdout.write(`${join(folder, file)}\n${registryFile}\n`)
}
