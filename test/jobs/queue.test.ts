import { expect, test } from 'vitest'
import { Fault } from '../../src-preload/contract/fault.ts'
import type { Job } from '../../src-preload/contract/job.ts'
import { createQueue, freshJob, type Queue, type QueueOptions } from '../../src-main/jobs/queue.ts'
import type { Engine } from '../../src-main/jobs/supervisor.ts'
import type { JobOrder, Unit, UnitContext } from '../../src-main/jobs/work.ts'

const engine: Engine = {
  run: () => Promise.reject(new Error('these units do not use the engine')),
  pid: () => null,
  close: () => Promise.resolve(),
}
const order = (id: string, args: unknown = {}, project = '/p'): JobOrder => ({
  id,
  project,
  kind: 'run',
  title: id,
  args,
})

interface Bench {
  queue: Queue
  done: Set<string> // units that were kept
  ran: string[]
  saved: Job[]
  forgotten: string[]
  held: { count: number }
  seen: Job[][]
}

/** A queue whose units are functions by key. */
function bench(
  units: Record<string, (context: UnitContext) => Promise<void>>,
  more: Partial<QueueOptions> = {},
): Bench {
  const result: Omit<Bench, 'queue'> = {
    done: new Set(),
    ran: [],
    saved: [],
    forgotten: [],
    held: { count: 0 },
    seen: [],
  }
  const toUnit = ([key, run]: [string, (context: UnitContext) => Promise<void>]): Unit => ({
    key,
    kind: 'test',
    step: key,
    weight: 1,
    isDone: () => result.done.has(key),
    run: async (context) => {
      result.ran.push(key)
      await run(context)
      result.done.add(key)
    },
  })
  const queue = createQueue({
    engine,
    prepare: () => Promise.resolve({ units: Object.entries(units).map(toUnit), finish: () => 'made' }),
    acquire: () => {
      result.held.count += 1
      return Promise.resolve(() => void (result.held.count -= 1))
    },
    persist: (_, job) => void result.saved.push({ ...job }),
    forget: ({ id }) => void result.forgotten.push(id),
    changed: () => void result.seen.push(queue?.list() ?? []),
    ...more,
  })
  return { queue, ...result }
}
const fine = () => Promise.resolve()
const never = ({ hooks }: UnitContext) =>
  new Promise<void>((_, reject) => hooks.signal.addEventListener('abort', () => reject(new Error('stopped'))))

test('runs units in order, one job at a time, and holds the project while it works', async () => {
  const { queue, ran, held, seen, saved } = bench({ a: fine, b: fine })
  await queue.add(order('one'))
  expect(held.count).toBe(1)
  await queue.add(order('two'))
  expect((await queue.settled('two')).state).toBe('done')
  expect(ran).toEqual(['a', 'b']) // the second job found both done
  expect(held.count).toBe(0)
  expect(queue.list().map(({ state, progress, result }) => [state, progress, result])).toEqual([
    ['done', 1, 'made'],
    ['done', 1, 'made'],
  ])
  for (const jobs of seen) expect(jobs.filter(({ state }) => state === 'running').length).toBeLessThanOrEqual(1)
  expect(saved.at(-1)).toMatchObject({ id: 'two', state: 'done' })
})

test('a failed unit fails the job with its fault; resume goes on behind the finished ones', async () => {
  let broken = true
  const { queue, ran } = bench({
    a: fine,
    b: () => (broken ? Promise.reject(new Fault('disk', 'No space.')) : Promise.resolve()),
  })
  await queue.add(order('one'))
  expect(await queue.settled('one')).toMatchObject({ state: 'failed', fault: { code: 'disk', message: 'No space.' } })
  broken = false
  await queue.resume('one')
  expect(await queue.settled('one')).toMatchObject({ state: 'done', fault: null })
  expect(ran).toEqual(['a', 'b', 'b'])
})

test('cancel answers at once, even when the unit does not notice, and the next job runs', async () => {
  const deaf = new Promise<void>(() => undefined)
  const { queue, held } = bench({ a: ({ hooks }) => Promise.race([deaf, never({ engine, hooks })]) })
  await queue.add(order('one'))
  await queue.add(order('two'))
  await expect.poll(() => queue.list()[0]?.step).toBe('a')
  queue.cancel('one')
  expect(queue.list()[0]?.state).toBe('cancelled')
  expect(held.count).toBe(1)
  await expect.poll(() => queue.list()[1]?.state).toBe('running')
  queue.cancel('two')
})

test('resume right after cancel does not fail with the old attempt', async () => {
  let stuck = true
  const { queue } = bench({ a: (context) => (stuck ? never(context) : Promise.resolve()) })
  await queue.add(order('one'))
  await expect.poll(() => queue.list()[0]?.step).toBe('a')
  queue.cancel('one')
  stuck = false
  await queue.resume('one')
  expect((await queue.settled('one')).state).toBe('done')
})

test('close leaves running and waiting jobs interrupted, on disk too', async () => {
  const { queue, saved, held } = bench({ a: never })
  await queue.add(order('one'))
  await queue.add(order('two'))
  await expect.poll(() => queue.list()[0]?.step).toBe('a')
  queue.close()
  expect(queue.list().map(({ state }) => state)).toEqual(['interrupted', 'interrupted'])
  expect(saved.slice(-2).map(({ state }) => state)).toEqual(['interrupted', 'interrupted'])
  expect(held.count).toBe(0)
})

test.each(['interrupted', 'failed', 'cancelled'] as const)(
  'a job that %s is listed, can be resumed, and gives way to the same order asked again',
  async (state) => {
    const { queue, forgotten } = bench({ a: fine })
    for (const id of ['old', 'other'])
      queue.adopt(order(id, { of: id }), { ...freshJob(order(id)), state, elapsedMs: 500 })
    await queue.add(order('new', { of: 'old' }))
    expect(forgotten).toEqual(['old'])
    expect((await queue.settled('new')).state).toBe('done')
    await queue.resume('other')
    expect((await queue.settled('other')).elapsedMs).toBeGreaterThanOrEqual(500)
  },
)

test('notices are kept once, and progress of a unit is shown', async () => {
  const { queue, seen } = bench({
    a: ({ hooks }) => {
      hooks.progress({ fraction: 0.5, step: 'half of a' })
      hooks.notify('engine was restarted')
      hooks.notify('engine was restarted')
      return Promise.resolve()
    },
  })
  await queue.add(order('one'))
  expect((await queue.settled('one')).notices).toEqual(['engine was restarted'])
  expect(seen.flat().some(({ step, progress }) => step === 'half of a' && progress === 0.5)).toBe(true)
})

test('refusals: unknown jobs, dismissing what works, resuming what is done, a project held elsewhere', async () => {
  const { queue } = bench({ a: never })
  expect(() => queue.cancel('none')).toThrow('no job none')
  await queue.add(order('one'))
  expect(() => queue.dismiss('one')).toThrow('still at work')
  queue.cancel('one')
  queue.dismiss('one')
  expect(queue.list()).toEqual([])

  const easy = bench({ a: fine })
  await easy.queue.add(order('one'))
  await easy.queue.settled('one')
  await expect(easy.queue.resume('one')).rejects.toThrow('done')

  const conflict = new Fault('conflict', 'Another Lathe works here.')
  const held = bench({ a: fine }, { acquire: () => Promise.reject(conflict) })
  await expect(held.queue.add(order('one'))).rejects.toBe(conflict)
  expect(held.queue.list()).toEqual([])
})

test('a disk that cannot take the news fails the job and still lets go of the project', async () => {
  let full = false
  const made = bench({ a: fine }, { persist: () => (full ? fail() : undefined) })
  const fail = () => {
    throw new Fault('disk', 'No space.')
  }
  await made.queue.add(order('one'))
  full = true
  expect((await made.queue.settled('one')).state).toBe('failed')
  expect(made.held.count).toBe(0)
})
