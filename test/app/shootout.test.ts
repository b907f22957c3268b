import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createApp } from '../../src-main/app/create.ts'
import { sampleOf } from '../../src-main/app/samples.ts'
import { done, jobWhen } from './fixtures/jobs.ts'

const home = mkdtempSync(join(tmpdir(), 'lathe-shootout-'))
const app = createApp({ home, door: 'cli' })
const client = app.client()
afterAll(async () => {
  await app.close()
  rmSync(home, { recursive: true, force: true })
})
const { checkpoint, data } = sampleOf('vision')
const project = (await client.call('project.create', { checkpoint, data })).folder
const { layers } = await client.call('checkpoint.inspect', { path: checkpoint })
const [layer = ''] = layers.filter(({ compressible }) => compressible).map(({ name }) => name)
const get = () => client.call('shootout.get', { project, layer })

test('nothing is known before the first shoot-out', async () => {
  expect(await get()).toEqual({ layer, rows: [], done: [] })
})

test('rows come while the job runs; stopped, they stay, and the rest is tried on resume', async () => {
  const started = await client.call('shootout.start', { project, layer })
  await jobWhen(client, started, ({ unitsDone }) => unitsDone >= 1)
  await client.call('job.cancel', started)
  const stopped = await get()
  expect(stopped.done).toContain('rtn')
  expect(stopped.rows.filter(({ method }) => method === 'rtn').length).toBeGreaterThan(5)
  await client.call('job.resume', started)
  expect(await done(client, started)).toBe(layer)
  const whole = await get()
  expect(whole.done.length).toBeGreaterThan(stopped.done.length)
  // Times would differ had anything been tried again.
  expect(whole.rows.filter(({ method }) => method === 'rtn')).toEqual(
    stopped.rows.filter(({ method }) => method === 'rtn'),
  )
})

test('the same again does nothing; other data is another shoot-out', async () => {
  const before = await get()
  await done(client, await client.call('shootout.start', { project, layer, methods: ['rtn'] }))
  expect(await get()).toEqual(before)
  await client.call('project.setData', { project, path: null })
  expect((await get()).rows).toEqual([])
  await done(client, await client.call('shootout.start', { project, layer, methods: ['rtn'] }))
  const plain = await get()
  expect(plain.rows.every(({ outputError, weightError }) => outputError === null && weightError !== null)).toBe(true)
  await client.call('project.setData', { project, path: data })
  expect(await get()).toEqual(before)
})

test('quantizers that look at inputs are refused without data, and left out when none is named', async () => {
  await client.call('project.setData', { project, path: null })
  const { methods } = { methods: await client.call('method.list', {}) }
  const looking = methods.filter(({ family, needs }) => family === 'quantize' && needs.includes('hessian'))
  for (const { id } of looking.slice(0, 1))
    await expect(client.call('shootout.start', { project, layer, methods: [id] })).rejects.toMatchObject({
      code: 'bad-data',
    })
  await done(client, await client.call('shootout.start', { project, layer }))
  const { rows, done: tried } = await get()
  expect(rows.length).toBeGreaterThan(10)
  expect(tried.filter((id) => looking.some((method) => method.id === id))).toEqual([])
  await client.call('project.setData', { project, path: data })
})

test('a layer that nothing compresses is told at once', async () => {
  const norm = layers.find(({ compressible }) => !compressible)?.name ?? ''
  await expect(client.call('shootout.start', { project, layer: norm })).rejects.toMatchObject({ code: 'unsupported' })
})
