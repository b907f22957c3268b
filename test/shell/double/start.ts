import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Acts } from './control.ts'

type Answer = { id: number; result?: unknown; error?: string }

export interface Shell {
  act<N extends keyof Acts>(name: N, ...args: Parameters<Acts[N]>): Promise<Awaited<ReturnType<Acts[N]>>>
  home: string
  pid: number
  close(): Promise<void>
}

/** Starts the built main bundle on the double of Electron, with a Lathe home and user data of its own. */
export async function startShell(
  bundle: string,
  world: Record<string, unknown> = {},
  args: string[] = [],
): Promise<Shell> {
  const home = mkdtempSync(join(tmpdir(), 'lathe-shell-'))
  const child: ChildProcess = fork(join(import.meta.dirname, 'control.ts'), args, {
    execArgv: ['--import', join(import.meta.dirname, 'register.ts')],
    env: {
      ...process.env,
      LATHE_HOME: join(home, 'lathe'),
      LATHE_TEST_BUNDLE: bundle,
      LATHE_TEST_WORLD: JSON.stringify({ userData: home, ...world }),
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let words = ''
  child.stdout?.on('data', (chunk) => (words += String(chunk)))
  child.stderr?.on('data', (chunk) => (words += String(chunk)))
  const waiting = new Map<number, (answer: Answer) => void>()
  const answerTo = (id: number) =>
    new Promise<unknown>((resolve, reject) => {
      waiting.set(id, ({ result, error }) => (error === undefined ? resolve(result) : reject(new Error(error))))
    })
  child.on('message', (answer: Answer) => waiting.get(answer.id)?.(answer))
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  void ended.then(() => waiting.forEach((answer, id) => answer({ id, error: `the shell ended: ${words}` })))
  await answerTo(0)
  let last = 0
  return {
    home,
    pid: child.pid ?? 0,
    act: (name, ...args) => {
      const id = ++last
      child.send({ id, name, args })
      return answerTo(id) as Promise<never>
    },
    async close() {
      child.kill('SIGKILL')
      await ended
      rmSync(home, { recursive: true, force: true })
    },
  }
}
