// `npm run dev`: the window rebuilt as its sources change. In Electron by electron-vite's server; without Electron the
// renderer is built again at each change behind the same guarded web shell (reload the page to see it).
import { spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
import { build } from 'vite'
import config from '../electron.vite.config.ts'
import { findElectron, hasDisplay } from './electron-binary.ts'
import { ensureBuilt } from './outputs.ts'
import { serveWeb } from './web.ts'

const root = resolve(import.meta.dirname, '..')

ensureBuilt(root)
if (hasDisplay(process.platform, process.env) && findElectron(root)) {
  const script = join(root, 'node_modules/electron-vite/bin/electron-vite.js')
  const env = { ...process.env, LATHE_NODE: process.execPath }
  const child = spawn(process.execPath, [script, 'dev', ...process.argv.slice(2)], { cwd: root, stdio: 'inherit', env })
  child.once('exit', (code) => process.exit(code ?? 1))
} else {
  const { renderer } = await config({ command: 'build', mode: 'development' })
  // Not emptied, so that a page loaded during a build still finds its files; relative paths, as electron-vite sets them.
  const watched = { ...renderer?.build, watch: {}, emptyOutDir: false }
  await build({ ...renderer, base: './', configFile: false, logLevel: 'warn', build: watched })
  process.exitCode = await serveWeb(root)
  process.exit()
}
