import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The nearest folder above that holds a package.json: the project's root from source, from a bundle and when packaged. */
export function projectRoot(from: string = import.meta.dirname): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (dirname(folder) === folder) return from
  }
}

/** The engine's entry: its TypeScript when this very file runs from source, else the bundle beside the main bundle. */
export function engineEntry(root: string = projectRoot()): string {
  const source = join(root, 'src-main', 'engine', 'main.ts')
  const bundle = join(root, 'out', 'main', 'engine.js')
  // Plain Node cannot look into an Electron archive: the bundle lies unpacked beside it.
  const unpacked = bundle.replace(/\bapp\.asar(?=[\\/])/, 'app.asar.unpacked')
  return import.meta.filename.endsWith('.ts') && existsSync(source) ? source : unpacked
}

/** The Node binary that runs the engine. Inside Electron it is the one Lathe carries (resources/node/node), or the one
 *  npm put beside us; Electron's own binary only as a last resort, for it ends on single allocations above 2 GiB. */
export function engineNode(root: string = projectRoot()): { execPath: string; env: NodeJS.ProcessEnv } {
  if (process.versions.electron === undefined) return { execPath: process.execPath, env: process.env }
  const name = process.platform === 'win32' ? 'node.exe' : 'node'
  const carried = 'resourcesPath' in process ? String(process.resourcesPath) : root
  const system = process.platform === 'win32' ? 'win' : process.platform
  const candidates = [
    process.env.LATHE_NODE ?? '',
    join(carried, 'node', name),
    join(root, 'node_modules', '.bin', name),
    join(root, 'node_modules', `node-${system}-${process.arch}`, 'bin', name),
  ]
  const found = candidates.find((path) => path !== '' && existsSync(path))
  return found === undefined
    ? { execPath: process.execPath, env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' } }
    : { execPath: found, env: process.env }
}
