import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

// build/lathe.mjs in a project of its own, whose command line tells how it was started.
const root = join(import.meta.dirname, '../..')
let folder = ''
let script = ''

const commandLine = `
const [verb] = process.argv.slice(2)
if (verb === 'exit') process.exitCode = Number(process.argv[3])
else if (verb === 'die') process.kill(process.pid, 'SIGKILL')
else if (verb === 'wait') {
  process.on('SIGINT', () => process.exit(130))
  setInterval(() => undefined, 1000)
  process.stdout.write('waiting')
} else process.stdout.write(JSON.stringify({ args: process.argv.slice(2), major: Number(process.versions.node.split('.')[0]) }))
export type Unused = string
`

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lathe-bin-'))
  for (const each of ['build', 'out/kernels', 'src-main/cli']) mkdirSync(join(folder, each), { recursive: true })
  script = join(folder, 'build/lathe.mjs')
  copyFileSync(join(root, 'build/lathe.mjs'), script)
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'src-main/cli/main.ts'), commandLine)
  writeFileSync(join(folder, 'out/kernels/stamp.json'), '{}')
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const run = (args: string[], node = process.execPath) => spawnSync(node, [script, ...args], { encoding: 'utf8' })

/** A Node on the search path that cannot run TypeScript; README promises that one suffices to start. */
function oldNode(): string | null {
  for (const each of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(each, 'node')
    if (!existsSync(path)) continue
    const major = Number(spawnSync(path, ['-p', 'process.versions.node.split(".")[0]'], { encoding: 'utf8' }).stdout)
    if (major > 0 && major < 22) return path
  }
  return null
}

test('passes arguments, output and exit code through', () => {
  expect(JSON.parse(run(['inspect', 'a b', '--json']).stdout)).toMatchObject({ args: ['inspect', 'a b', '--json'] })
  expect(run(['exit', '0']).status).toBe(0)
  expect(run(['exit', '2']).status).toBe(2)
  expect(run(['die']).status).toBe(128 + 9)
})

const waiting = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => child.stdout?.once('data', () => resolve()))
const exit = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.once('exit', resolve))

test('SIGINT to it reaches the command line, which ends with 130; SIGTERM ends with 143', async () => {
  const child = spawn(process.execPath, [script, 'wait'])
  await waiting(child)
  const code = exit(child)
  child.kill('SIGINT')
  expect(await code).toBe(130)
  const other = spawn(process.execPath, [script, 'wait'])
  await waiting(other)
  const otherCode = exit(other)
  other.kill('SIGTERM')
  expect(await otherCode).toBe(143)
})

const old = oldNode()
test.skipIf(old === null)('an older Node finds the newer one among the packages, or says what is missing', () => {
  const { stdout, stderr } = run(['inspect'], old ?? '')
  expect(stderr).toBe('')
  expect((JSON.parse(stdout) as { major: number }).major).toBeGreaterThanOrEqual(22)
  rmSync(join(folder, 'node_modules'))
  const alone = run(['inspect'], old ?? '')
  expect(alone.status).toBe(1)
  expect(alone.stderr).toMatch(/needs Node 22\.18 or newer, this is \d+/)
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
})

test('missing kernels are built first; where that fails, so does the start', () => {
  rmSync(join(folder, 'out/kernels/stamp.json'))
  writeFileSync(join(folder, 'build/kernels.ts'), 'process.stdout.write("compiling"); process.exitCode = 1')
  const failed = run(['exit', '0'])
  expect({ status: failed.status, stdout: failed.stdout }).toEqual({ status: 1, stdout: '' })
  expect(failed.stderr).toContain('compiling')
  writeFileSync(join(folder, 'build/kernels.ts'), 'export {}')
  expect(run(['exit', '0']).status).toBe(0)
})
