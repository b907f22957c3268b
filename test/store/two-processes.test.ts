import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { setDevice, readProject } from '../../src-main/store/projects.ts'
import { createProjectLock, type ProjectLock } from '../../src-main/store/lock.ts'
import { openStore, type Store } from '../../src-main/store/open.ts'
import { get, run } from '../../src-main/store/query.ts'
import { thisProcess } from '../../src-main/store/process.ts'
import { makeProject } from './fixtures/project.ts'

const script = join(import.meta.dirname, 'fixtures', 'process.ts')
const children: ChildProcess[] = []
const stores: Store[] = []
const locks: ProjectLock[] = []

const start = (deed: string, folder: string, count = 1): ChildProcess => {
  const child = spawn(process.execPath, [script, deed, folder, String(count)], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  return child
}
/** Resolves at the first thing the process says. */
const says = async (child: ChildProcess): Promise<string> => {
  const [text] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
  return text.toString().trim()
}
const open = (folder: string): { store: Store; lock: ProjectLock } => {
  const store = openStore(folder)
  const lock = createProjectLock(store, 'electron')
  stores.push(store)
  locks.push(lock)
  return { store, lock }
}

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const lock of locks.splice(0)) lock.close()
  for (const store of stores.splice(0)) store.close()
})

test('who comes second reads, and is told who works', async () => {
  const folder = makeProject()
  const other = start('hold', folder)
  expect(await says(other)).toBe('held')
  const { store, lock } = open(folder)
  expect(readProject(store.read).name).toBe('tiny')
  expect(lock.holder()).toMatchObject({ pid: other.pid, door: 'cli' })
  await expect(lock.acquire()).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining(`process ${other.pid} (cli)`) as unknown,
  })
  setDevice(store.write, { device: 'webgpu' }) // a small change needs no lock
  expect(readProject(store.read).device).toBe('webgpu')
})

test('a killed holder is followed within 5 s', async () => {
  const folder = makeProject()
  const other = start('hold', folder)
  await says(other)
  const { lock } = open(folder)
  other.kill('SIGKILL')
  await once(other, 'exit')
  const startedAt = performance.now()
  const release = await lock.acquire()
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  expect(lock.holder()).toBeNull()
  release()
})

test('a holder that cannot be asked is followed when it stays silent, not while it beats', async () => {
  const folder = makeProject()
  const { store, lock } = open(folder)
  const elsewhere = { pid: 1, started: '1', machine: 'another machine' }
  const put = (beat: number) =>
    run(
      store.write,
      `INSERT OR REPLACE INTO holders VALUES (1, :pid, :started, :machine, 'web', :beat, '2026-01-01')`,
      { ...elsewhere, beat },
    )
  put(1)
  let beat = 1
  const beating = setInterval(() => put((beat += 1)), 500)
  await expect(lock.acquire()).rejects.toMatchObject({ code: 'conflict' })
  clearInterval(beating)
  const startedAt = performance.now()
  const release = await lock.acquire()
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  release()
})

test('a process id that was given away again is not taken for the holder', async () => {
  const folder = makeProject()
  const { store, lock } = open(folder)
  const other = start('hold', makeProject()) // alive, but began at another time than the row says
  await says(other)
  run(store.write, `INSERT INTO holders VALUES (1, :pid, '12345', :machine, 'cli', 9, '2026-01-01')`, {
    pid: other.pid ?? 0,
    machine: thisProcess().machine,
  })
  const release = await lock.acquire()
  release()
})

test('the lock is held until the last release', async () => {
  const folder = makeProject()
  const { store, lock } = open(folder)
  const [first, second] = await Promise.all([lock.acquire(), lock.acquire()])
  first()
  first()
  expect(get(store.read, 'SELECT pid FROM holders')).toEqual({ pid: process.pid })
  second()
  expect(get(store.read, 'SELECT pid FROM holders')).toBeUndefined()
})

test('two processes that count together lose nothing', async () => {
  const folder = makeProject()
  const both = [start('count', folder, 100), start('count', folder, 100)]
  await Promise.all(both.map((child) => once(child, 'exit')))
  expect(both.map(({ exitCode }) => exitCode)).toEqual([0, 0])
  const { store } = open(folder)
  expect(get(store.read, `SELECT value FROM probes WHERE kind = 'count'`)).toEqual({ value: '200' })
})

test('a small write waits for another process’s write', async () => {
  const folder = makeProject()
  const { store } = open(folder)
  const other = start('write', folder, 400)
  expect(await says(other)).toBe('writing')
  const startedAt = performance.now()
  setDevice(store.write, { device: 'cuda' })
  expect(performance.now() - startedAt).toBeGreaterThan(50)
  expect(readProject(store.read)).toMatchObject({ name: 'from elsewhere', device: 'cuda' })
})
