#!/usr/bin/env node
// `lathe`: starts the command line on a Node that can run it. Plain JavaScript, because an older Node must be able to
// read this far and find the newer one that npm put beside us.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const needed = '22.18' // the first that runs TypeScript as it is

/** Whether a version like '24.1.0' is new enough. */
export function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major >= 24 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18)
}

/** Path of a Node that will do: this one, or the one among our packages; null where there is none. */
export function findNode() {
  if (isNewEnough(process.versions.node)) return process.execPath
  const name = process.platform === 'win32' ? 'node.exe' : 'node'
  const system = process.platform === 'win32' ? 'win' : process.platform
  const candidates = [
    join(root, 'node_modules', `node-${system}-${process.arch}`, 'bin', name),
    join(root, 'node_modules', '.bin', name),
  ]
  return candidates.find((path) => existsSync(path)) ?? null
}

/** Whether the kernels are missing or older than their sources. */
function kernelsAreStale() {
  const stamp = statSync(join(root, 'out', 'kernels', 'stamp.json'), { throwIfNoEntry: false })
  if (!stamp) return true
  const folder = join(root, 'src-main', 'engine', 'kernels')
  if (!existsSync(folder)) return false
  return readdirSync(folder, { recursive: true }).some((name) => statSync(join(folder, name)).mtimeMs > stamp.mtimeMs)
}

function main() {
  const node = findNode()
  if (!node) {
    process.stderr.write(
      `lathe: needs Node ${needed} or newer, this is ${process.versions.node}, and no newer one was installed with Lathe.\n` +
        '  hint: run `npm ci` in its folder, or install a newer Node.\n',
    )
    return process.exit(1)
  }
  if (kernelsAreStale()) {
    const built = spawnSync(node, [join(root, 'build', 'kernels.ts')], { stdio: ['ignore', 2, 2] }) // stdout is the answer's
    if (built.status !== 0) return process.exit(1)
  }
  const script = join(root, 'src-main', 'cli', 'main.ts')
  // Node 22 calls running TypeScript experimental, on the standard error that is ours.
  const child = spawn(node, ['--disable-warning=ExperimentalWarning', script, ...process.argv.slice(2)], {
    stdio: 'inherit',
  })
  // From a terminal Ctrl+C reaches the child as well; it takes a second one as the same wish.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.once('error', (error) => {
    process.stderr.write(`lathe: ${node} could not be started: ${error.message}\n`)
    process.exit(1)
  })
  child.once('exit', (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : (code ?? 1)))
}

main()
