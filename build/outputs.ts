// What `npm run build` makes, whether it is still fresh, and making it. Used by start, test and the shell's tests.
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const outputs = ['out/main/index.js', 'out/main/engine.js', 'out/preload/index.cjs', 'out/renderer/index.html']
const sources = [
  'src-main/**/*.ts',
  'src-preload/**/*.ts',
  'src-renderer/**/*',
  'electron.vite.config.ts',
  'package.json',
]

/** Modification time, ms; 0 where there is no such file, as for one another process has just replaced. */
const modified = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

/** Why out/ must be made again, in words, or null where it is newer than every source. */
export function staleness(root: string): string | null {
  const missing = outputs.find((output) => !existsSync(join(root, output)))
  if (missing) return `${missing} is missing`
  const builtMs = Math.min(...outputs.map((output) => modified(join(root, output))))
  const newer = globSync(sources, { cwd: root }).find((source) => modified(join(root, source)) > builtMs)
  return newer ? `${newer} is newer` : null
}

function step(root: string, script: string, ...args: string[]): void {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [join(root, script), ...args], {
    cwd: root,
    encoding: 'utf8',
  })
  if (status === 0) return
  throw new Error(`${script} ${args.join(' ')} failed:\n${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`)
}

/** Kernels and the three bundles; throws with the tool's own words where one fails. */
export function build(root: string): void {
  step(root, 'build/kernels.ts')
  step(root, 'node_modules/electron-vite/bin/electron-vite.js', 'build')
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Runs `work` while no other process of ours builds; a lock left by a killed one is taken over. */
function alone<T>(root: string, work: () => T): T {
  const lock = join(root, 'out', 'building')
  mkdirSync(join(root, 'out'), { recursive: true })
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      break
    } catch {
      const holder = Number(existsSync(lock) ? readFileSync(lock, 'utf8') : process.pid)
      if (holder > 0 && !isAlive(holder)) rmSync(lock, { force: true })
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    }
  }
  try {
    return work()
  } finally {
    rmSync(lock, { force: true })
  }
}

/** Builds where it must. Returns why it did, or null. */
export function ensureBuilt(root: string): string | null {
  return alone(root, () => {
    const reason = staleness(root)
    if (reason) build(root)
    else step(root, 'build/kernels.ts') // it knows by itself whether its sources changed
    return reason
  })
}
