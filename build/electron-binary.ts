// Finds Electron's program, which is not part of its npm package, and fetches it where the network allows.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const probeMs = 3_000

/** Path of Electron's program: ELECTRON, or what its own installer put into node_modules. Null where there is none. */
export function findElectron(root: string, environment: NodeJS.ProcessEnv = process.env): string | null {
  if (environment.ELECTRON) return existsSync(environment.ELECTRON) ? environment.ELECTRON : null
  const folder = join(root, 'node_modules', 'electron')
  const pathFile = join(folder, 'path.txt')
  if (!existsSync(pathFile)) return null
  const program = join(environment.ELECTRON_OVERRIDE_DIST_PATH ?? join(folder, 'dist'), readFileSync(pathFile, 'utf8'))
  return existsSync(program) ? program : null
}

/** Whether the place Electron downloads itself from answers at all; offline this must not cost more than a moment. */
async function isReachable(environment: NodeJS.ProcessEnv): Promise<boolean> {
  const mirror = environment.ELECTRON_MIRROR ?? environment.npm_config_electron_mirror
  const address = mirror ?? 'https://github.com/electron/electron/releases/'
  try {
    await fetch(address, { method: 'HEAD', signal: AbortSignal.timeout(probeMs) })
    return true
  } catch {
    return false
  }
}

/** Runs Electron's own installer; it checks what it fetched against the package's checksums. */
export async function fetchElectron(root: string, say: (line: string) => void): Promise<string | null> {
  if (process.env.ELECTRON || !(await isReachable(process.env))) return null
  say('Fetching Electron, once (about 110 MB) ...')
  const { status } = spawnSync(process.execPath, [join(root, 'node_modules', 'electron', 'install.js')], {
    stdio: 'ignore',
  })
  return status === 0 ? findElectron(root) : null
}

/** Whether a window could be shown at all. */
export const hasDisplay = (platform: NodeJS.Platform, environment: NodeJS.ProcessEnv): boolean =>
  platform !== 'linux' || Boolean(environment.DISPLAY || environment.WAYLAND_DISPLAY)
