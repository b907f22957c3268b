import { cpSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { type App, createApp } from '../../src-main/app/create.ts'
import { sampleOf } from '../../src-main/app/samples.ts'
import { jobWhen } from './fixtures/jobs.ts'

// Lathe is closed and started again in the same home: what ended stays in the history, with its fault and "try again".
const home = mkdtempSync(join(tmpdir(), 'lathe-history-'))
let app: App = createApp({ home, door: 'web' })
afterAll(async () => {
  await app.close()
  rmSync(home, { recursive: true, force: true })
})
const sample = join(home, 'sample')
cpSync(dirname(sampleOf('vision').checkpoint), sample, { recursive: true })
const images = join(sample, 'test_images.npy')

async function restart(project: string) {
  await app.close()
  app = createApp({ home, door: 'web' })
  await app.client().call('project.open', { folder: project })
  return app.client()
}

test('jobs that ended are there after a restart, as they ended, and a failed one is tried again', async () => {
  let client = app.client()
  const project = (
    await client.call('project.create', {
      checkpoint: join(sample, 'model.onnx'),
      data: join(sample, 'data.yaml'),
    })
  ).folder
  const first = await client.call('score.start', { project, uses: [{ method: 'zd', parameters: {} }] })
  await jobWhen(client, first, ({ state }) => state === 'done')
  renameSync(images, `${images}.away`)
  const started = await client.call('evaluate.start', { project, variant: null })
  const failed = await jobWhen(client, started, ({ state }) => state === 'failed')
  expect(failed.fault?.message).toContain('test_images.npy')

  client = await restart(project)
  const listed = await client.call('job.list', {})
  expect(listed.map(({ id, state }) => [id, state])).toEqual([
    [first.job, 'done'],
    [started.job, 'failed'],
  ])
  expect(listed[1]?.fault).toEqual(failed.fault)

  renameSync(`${images}.away`, images)
  await client.call('job.resume', started)
  expect(await jobWhen(client, started, ({ state }) => state === 'done')).toMatchObject({ fault: null })

  await client.call('job.dismiss', first)
  client = await restart(project)
  expect((await client.call('job.list', {})).map(({ id, state }) => [id, state])).toEqual([[started.job, 'done']])
}, 60_000)
