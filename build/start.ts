// `npm start`: the bench in Electron; where its program cannot be had or shown, in the browser.
import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { fetchElectron, findElectron, hasDisplay } from './electron-binary.ts'
import { ensureBuilt } from './outputs.ts'
import { serveWeb } from './web.ts'

const root = resolve(import.meta.dirname, '..')
const say = (line: string): void => void process.stderr.write(`${line}\n`)
const soonMs = 5_000 // a program that ends with an error this early never showed a window

/** Exit code of Electron, or null where it could not start here (missing libraries, run as root). */
function runElectron(program: string): Promise<number | null> {
  const began = performance.now()
  const child = spawn(program, [root, ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'pipe'],
    env: { ...process.env, LATHE_NODE: process.execPath },
  })
  let words = ''
  child.stderr.on('data', (chunk) => (words = (words + String(chunk)).slice(-2_000)))
  return new Promise((done) => {
    child.once('error', () => done(null))
    child.once('exit', (code) => {
      const failedEarly = code !== 0 && performance.now() - began < soonMs
      if (code !== 0) process.stderr.write(words)
      done(failedEarly ? null : (code ?? 1))
    })
  })
}

function serve(reason: string): Promise<number> {
  say(`${reason}; Lathe opens in the browser instead.`)
  return serveWeb(root)
}

async function start(): Promise<number> {
  const built = ensureBuilt(root)
  if (built) say(`Built the window: ${built}.`)
  if (!hasDisplay(process.platform, process.env)) return serve('There is no display for a desktop window')
  const program = findElectron(root) ?? (await fetchElectron(root, say))
  if (!program) return serve('Electron is neither here nor downloadable')
  return (await runElectron(program)) ?? serve('Electron did not start on this machine')
}

process.exitCode = await start().catch((error: unknown) => {
  say(error instanceof Error ? error.message : String(error))
  return 1
})
