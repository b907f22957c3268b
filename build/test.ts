// `npm test`: builds, runs Vitest over everything (or the projects named), and ends with one line of figures.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { provideChromium } from './chromium.ts'
import { build } from './outputs.ts'
import { tally } from './tally.ts'

const root = resolve(import.meta.dirname, '..')
const say = (line: string): void => void process.stdout.write(`${line}\n`)

function run(): number {
  const named = process.argv.slice(2)
  let projects = named.length > 0 ? named : ['unit', 'renderer', 'e2e']
  build(root)
  const chromium = projects.includes('e2e') ? provideChromium(say) : { path: null, reason: '' }
  if (!chromium.path) projects = projects.filter((project) => project !== 'e2e')

  const excuse = chromium.reason ? `End-to-end tests were not run: ${chromium.reason}.` : ''
  if (projects.length === 0) {
    say(excuse)
    say('0 passed, 0 failed')
    return 0
  }
  const folder = mkdtempSync(join(tmpdir(), 'lathe-test-'))
  const report = join(folder, 'report.json')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const { status } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...projects.map((name) => `--project=${name}`), ...reporters],
    {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, ...(chromium.path ? { LATHE_CHROMIUM: chromium.path } : {}) },
    },
  )
  const code = status ?? 1
  if (excuse) say(excuse)
  say(tally(existsSync(report) ? readFileSync(report, 'utf8') : null, code))
  rmSync(folder, { recursive: true })
  return code
}

try {
  process.exitCode = run()
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  say('0 passed, 1 failed')
  process.exitCode = 1
}
