import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Fault } from '../../src-preload/contract/fault.ts'
import { createSupervisor, type Engine, type SupervisorOptions } from '../../src-main/jobs/supervisor.ts'

const entry = join(import.meta.dirname, 'fixtures', 'engine.ts')
const opened: Engine[] = []
const folder = mkdtempSync(join(tmpdir(), 'lathe-supervisor-'))

const open = (options: SupervisorOptions = {}): Engine => {
  const engine = createSupervisor({ entry, ...options })
  opened.push(engine)
  return engine
}
const ask = (engine: Engine, deed: string, hooks: Parameters<Engine['run']>[2] = {}): Promise<unknown> =>
  engine.run('inspect', { path: deed }, hooks)
const faultOf = async (promise: Promise<unknown>): Promise<Fault> => {
  const outcome = await promise.then(
    () => null,
    (error: unknown) => error,
  )
  expect(outcome).toBeInstanceOf(Fault)
  return outcome as Fault
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((engine) => engine.close()))
  rmSync(folder, { recursive: true, force: true })
})

test('starts on demand, keeps one process, answers in order and passes progress on', async () => {
  const engine = open()
  expect(engine.pid()).toBeNull()
  const heard: unknown[] = []
  const hooks = { progress: (update: unknown) => heard.push(update), notify: (notice: string) => heard.push(notice) }
  const answers = await Promise.all([ask(engine, 'answer a'), ask(engine, 'progress b', hooks), ask(engine, 'pid')])
  expect(answers.slice(0, 2)).toEqual(['a', 'b'])
  expect(answers[2]).toBe(engine.pid())
  expect(heard).toEqual([{ fraction: 0.5, step: 'half' }, 'a notice'])
})

test('a fault of the task is the caller’s fault, and the process lives on', async () => {
  const engine = open()
  const before = await ask(engine, 'pid')
  expect(await faultOf(ask(engine, 'fault'))).toMatchObject({ code: 'bad-input', message: 'broken file' })
  expect(await ask(engine, 'pid')).toBe(before)
})

test.each([
  ['signal SIGSEGV', /SIGSEGV/],
  ['signal SIGABRT', /SIGABRT/],
  ['signal SIGKILL', /killed from outside/],
  ['exit 0', /ended by itself.*exit code 0/],
  ['exit 3', /exit code 3/],
  ['disconnect', /exit code 0/],
  ['throw', /boom in the engine/],
])('%s: says why, and the next task gets a fresh process', async (deed, reason) => {
  const engine = open()
  const fault = await faultOf(ask(engine, deed))
  expect(fault.code).toBe('engine')
  expect(fault.message).toMatch(reason)
  expect(await ask(engine, 'answer again')).toBe('again')
})

test('a task is begun again after a death, and says so', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'lathe-once-')), 'died')
  const notices: string[] = []
  const notify = (notice: string) => void notices.push(notice)
  expect(await ask(open(), `once ${file}`, { retries: 3, notify })).toBe('second life')
  expect(notices).toHaveLength(1)
  expect(notices[0]).toMatch(/SIGKILL.*Trying again \(1 of 3\)/)
})

test('gives up after the retries it was allowed', async () => {
  const notices: string[] = []
  const fault = await faultOf(ask(open(), 'exit 1', { retries: 3, notify: (notice) => void notices.push(notice) }))
  expect(fault.code).toBe('engine')
  expect(notices).toHaveLength(3)
})

test('cancel of a hung task answers within 200 ms and leaves no process behind', async () => {
  const engine = open()
  const pid = (await ask(engine, 'pid')) as number
  const stop = new AbortController()
  let hangs = (): void => undefined
  const hanging = new Promise<void>((resolve) => (hangs = resolve))
  const hung = ask(engine, 'hang', { signal: stop.signal, progress: () => hangs() })
  const waiting = ask(engine, 'answer after')
  const outcome = faultOf(hung)
  await hanging
  const startedAt = performance.now()
  stop.abort()
  expect((await outcome).code).toBe('cancelled')
  expect(performance.now() - startedAt).toBeLessThan(200)
  expect(await waiting).toBe('after')
  await expect.poll(() => isAlive(pid)).toBe(false)
})

test('a task cancelled while it waits never starts', async () => {
  const engine = open()
  const stop = new AbortController()
  const first = ask(engine, 'answer one')
  const second = faultOf(ask(engine, 'exit 9', { signal: stop.signal }))
  stop.abort()
  expect((await second).code).toBe('cancelled')
  expect(await first).toBe('one')
  expect(await ask(engine, 'answer two')).toBe('two')
})

test('what is printed is never taken for an answer', async () => {
  const engine = open()
  expect(await ask(engine, 'garbage real')).toBe('real')
  expect(await ask(engine, 'nonsense real')).toBe('real')
})

test('a task over its time is killed and not tried again', async () => {
  const engine = open()
  await ask(engine, 'pid')
  const notices: string[] = []
  const hooks = { timeoutMs: 100, retries: 3, notify: (notice: string) => void notices.push(notice) }
  const fault = await faultOf(ask(engine, 'hang', hooks))
  expect(fault.message).toMatch(/no answer in 0\.1 s/)
  expect(notices).toEqual([])
})

test('a child over the memory cap is killed, with the figures', async () => {
  const engine = open({ memoryCapBytes: 300e6 })
  const fault = await faultOf(ask(engine, 'eat', { retries: 3 }))
  expect(fault.code).toBe('too-large')
  expect(fault.message).toMatch(/more than the 0\.3 GB allowed/)
})

test('an engine that never gets ready is given up', async () => {
  const engine = open({ entry: join(import.meta.dirname, 'fixtures', 'silent.ts'), readyMs: 300 })
  expect((await faultOf(ask(engine, 'pid'))).message).toMatch(/not ready after 0\.3 s/)
})

test('an entry that does not exist, and a binary that does not exist, say so', async () => {
  expect((await faultOf(ask(open({ entry: '/nonexistent/engine.js' }), 'pid'))).message).toMatch(/could not start/)
  expect((await faultOf(ask(open({ execPath: '/nonexistent/node' }), 'pid'))).message).toMatch(/could not be started/)
})

test('an idle engine is ended, and started again when needed', async () => {
  const engine = open({ idleMs: 50 })
  const pid = (await ask(engine, 'pid')) as number
  await expect.poll(() => isAlive(pid)).toBe(false)
  expect(await ask(engine, 'pid')).not.toBe(pid)
})

test('close ends what runs as cancelled', async () => {
  const engine = open()
  const pid = (await ask(engine, 'pid')) as number
  const hung = faultOf(ask(engine, 'hang'))
  await engine.close()
  expect((await hung).code).toBe('cancelled')
  expect(isAlive(pid)).toBe(false)
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
