import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, expect, test } from 'vitest'
import { createApp } from '../../src-main/app/create.ts'
import { floorOf } from '../../src-main/app/floor.ts'
import type { Point } from '../../src-main/app/floor-points.ts'
import { variantId } from '../../src-main/app/run.ts'
import { sampleOf } from '../../src-main/app/samples.ts'
import { databaseName } from '../../src-main/store/open.ts'
import { done, jobWhen } from './fixtures/jobs.ts'

// "Lose at most 5 points" on the vision sample, along orders of different allocators: what is found is measured, meets the
// floor with the bad end of its interval, and the plan before it in the order was measured not to.
const home = mkdtempSync(join(tmpdir(), 'lathe-floor-'))
const app = createApp({ home, door: 'cli' })
const client = app.client()
afterAll(async () => {
  await app.close()
  rmSync(home, { recursive: true, force: true })
})
const { checkpoint, data } = sampleOf('vision')
const project = (await client.call('project.create', { checkpoint, data })).folder
await done(client, await client.call('sensitivity.start', { project, samples: 64, every: false }))
const lose = 0.05

test('what was run is told apart from what others of a layer tell', async () => {
  const { measured, told = 0, total } = (await client.call('project.get', { project })).sensitivity
  expect(measured).toBe(total)
  const db = new Database(join(project, databaseName), { readonly: true })
  const rows = db.prepare<[], { n: number }>("SELECT count(*) AS n FROM options WHERE data <> '' AND layer <> ''").get()
  db.close()
  expect(told).toBeGreaterThan(0)
  expect(measured - told).toBe(rows?.n)
})

function orderOf(job: string): Point[] {
  const db = new Database(join(project, databaseName), { readonly: true })
  const row = db
    .prepare<[string], { result: string }>('SELECT result FROM steps WHERE key = ?')
    .get(`floor-points-${job}`)
  db.close()
  return (JSON.parse(row?.result ?? '{}') as { points: Point[] }).points
}

test.each([null, 'genetic'])('a search along the plans of %s', async (allocator) => {
  const started = await client.call('floor.start', { project, lose, allocator })
  const result = await done(client, started)
  const points = orderOf(started.job)
  expect(points.length).toBeGreaterThan(8)
  const { evaluations, checkpoint: summary } = await client.call('project.get', { project })
  const worst = (recipe: Point['recipe']): number | undefined => {
    const found = evaluations.find(({ variant }) => variant === variantId(recipe))?.metrics.top1Difference
    return found && (found.low ?? found.value)
  }
  const at = points.findIndex(({ recipe }) => variantId(recipe) === result)
  const floor = floorOf(lose, { checkpoint: { summary } } as Parameters<typeof floorOf>[1])
  expect(floor).toBe(-lose)
  expect(worst((points[at] as Point).recipe)).toBeGreaterThanOrEqual(floor) // measured, and met
  if (at > 0) expect(worst((points[at - 1] as Point).recipe)).toBeLessThan(floor) // minimal along its order
  expect(at).toBeGreaterThan(0)
  const measured = points.filter(({ recipe }) => worst(recipe) !== undefined)
  expect(measured.length).toBeLessThanOrEqual(Math.ceil(Math.log2(points.length + 1)) + 3)
})

test('an allocator that is not known is refused before anything is measured, and so are limits it does not know', async () => {
  await expect(client.call('floor.start', { project, lose, allocator: 'magic' })).rejects.toThrow(
    /no allocator "magic"/,
  )
  const jobs = (await client.call('job.list', {})).length
  const constraints = { alike: [['stem.weight', 'blocks.0.conv1.weight']], ceilings: { 'stem.weight': 2 }, floors: { 'blocks.0.conv1.weight': 8 } } // prettier-ignore
  await expect(client.call('floor.start', { project, lose, constraints })).rejects.toThrow(/none is open to all/)
  expect(await client.call('job.list', {})).toHaveLength(jobs)
})

test('a suggested point may be smaller than any single width: its uniform twin is left out, not the whole front', async () => {
  // `lathe front --suggest` asked so once: with zeros beside bits, the curve begins below the narrowest width.
  const levers = [{ method: 'magnitude', parameters: {} }]
  await client.call('project.setMethods', { project, methods: { quantizer: null, prepare: [], samples: null, levers } })
  const bytes = 34_296
  const asked = { project, budget: { bytes }, locked: {} }
  await expect(client.call('plan.solve', { ...asked, uniform: true })).rejects.toThrow(
    /No single width keeps to 34296 bytes/,
  )
  expect((await client.call('plan.solve', { ...asked, uniform: false })).predicted.bytes).toBeLessThanOrEqual(bytes)
  const started = await client.call('front.start', { project, budgets: [{ bytes }], uniform: true })
  const job = await jobWhen(client, started, ({ title, state }) => title !== '' && state !== 'queued')
  expect(job.title).toBe('Measure 1 points of the front')
  await client.call('job.cancel', { job: started.job })
})
