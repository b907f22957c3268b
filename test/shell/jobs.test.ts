import { beforeEach, expect, test, vi } from 'vitest'
import type { Job } from '../../src-preload/contract/job.ts'
import { createWakefulness } from '../../src-main/shell/power.ts'
import { handleQuit } from '../../src-main/shell/quit.ts'
import { app, BrowserWindow, preventable, record, world } from './double/electron.ts'

// What the shell does while jobs run: the machine stays awake, and quitting asks first and ends in order.
vi.mock('electron', () => import('./double/electron.ts'))

const job = (state: Job['state']): Job => ({
  id: 'j1',
  project: '/p',
  kind: 'run',
  title: 'Run',
  state,
  unitsDone: 0,
  unitsTotal: 1,
  progress: 0,
  step: '',
  elapsedMs: 0,
  remainingMs: null,
  notices: [],
  fault: null,
  result: null,
})

beforeEach(() => {
  app.removeAllListeners()
  Object.assign(record, { quits: 0, exits: [], dialogs: [], blockers: [] })
})

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('one blocker from the first running job to the last', () => {
  const show = createWakefulness()
  show([])
  show([job('queued')])
  expect(record.blockers).toEqual([])
  show([job('running')])
  show([job('running'), job('running')])
  expect(record.blockers).toEqual([{ kind: 'prevent-app-suspension', active: true }])
  show([job('done')])
  show([job('failed')])
  expect(record.blockers).toEqual([{ kind: 'prevent-app-suspension', active: false }])
  show([job('running')])
  expect(record.blockers.at(-1)).toEqual({ kind: 'prevent-app-suspension', active: true })
})

test('idle: quitting closes Lathe, then the process goes', async () => {
  const closed: string[] = []
  let finish = (): void => undefined
  const close = () => new Promise<void>((resolve) => (finish = () => (closed.push('closed'), resolve())))
  handleQuit({ isBusy: () => false, close, window: () => null })
  app.quit()
  await settle()
  expect({ closed, exits: record.exits, dialogs: record.dialogs }).toEqual({ closed: [], exits: [], dialogs: [] })
  finish()
  await settle()
  expect({ closed, exits: record.exits }).toEqual({ closed: ['closed'], exits: [0] })
})

test('a close that fails does not keep the process', async () => {
  handleQuit({ isBusy: () => false, close: () => Promise.reject(new Error('disk')), window: () => null })
  app.quit()
  await settle()
  expect(record.exits).toEqual([0])
})

test('busy: quitting asks; keeping on working stays, quitting goes', async () => {
  handleQuit({ isBusy: () => true, close: () => Promise.resolve(), window: () => null })
  world.messageBox = { response: 1 }
  app.quit()
  await settle()
  expect(record.dialogs).toEqual([
    { kind: 'message', options: expect.objectContaining({ message: 'A job is running.' }) },
  ])
  expect(record.exits).toEqual([])
  world.messageBox = { response: 0 }
  app.quit()
  await settle()
  expect(record.exits).toEqual([0])
})

test('busy: closing the window asks as well', async () => {
  handleQuit({ isBusy: () => true, close: () => Promise.resolve(), window: () => null })
  world.messageBox = { response: 1 }
  const window = new BrowserWindow({})
  const event = preventable()
  window.emit('close', event)
  await settle()
  expect(event.defaultPrevented).toBe(process.platform !== 'darwin')
})
