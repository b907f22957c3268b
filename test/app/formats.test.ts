import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type App, createApp } from '../../src-main/app/create.ts'
import { sampleOf } from '../../src-main/app/samples.ts'
import type { Client } from '../../src-preload/contract/client.ts'
import { done } from './fixtures/jobs.ts'

// One project, two export formats, on the vision sample.
const home = mkdtempSync(join(tmpdir(), 'lathe-formats-'))
const { checkpoint, data } = sampleOf('vision')
const project = join(home, 'project')
let app: App
let client: Client
const open = (): void => {
  app = createApp({ home, door: 'cli' })
  client = app.client()
}
beforeAll(async () => {
  open()
  await client.call('project.create', { checkpoint, data, folder: project })
})
afterAll(async () => {
  await app.close()
  rmSync(home, { recursive: true, force: true })
})
const solve = (bits: number) => client.call('plan.solve', { project, budget: { bits } })

test('a project plans for the first format that fits, until another is chosen; what was measured serves both', async () => {
  const before = await client.call('project.get', { project })
  expect(before.format).toBe('onnx')
  expect(before.checkpoint.exports.find(({ format }) => format === 'gguf')?.reason).toBeTruthy()
  await done(client, await client.call('sensitivity.start', { project, samples: 4 }))
  const packed = await solve(4)
  expect(packed.recipe.format).toBe('onnx')
  await done(client, await client.call('run.start', { project, recipe: packed.recipe, evaluate: false }))

  const after = await client.call('project.setFormat', { project, format: 'onnx-folded' })
  expect(after.format).toBe('onnx-folded')
  expect(after.sensitivity).toMatchObject({ samples: 4 })
  expect(after.sensitivity.measured).toBe(after.sensitivity.total)
  const folded = await solve(4)
  expect(folded.recipe.format).toBe('onnx-folded')
  expect(folded.predicted.bytes).not.toBe(packed.predicted.bytes)
  const three = await solve(3)
  await done(client, await client.call('run.start', { project, recipe: three.recipe, evaluate: true }))
  const { variants } = await client.call('project.get', { project })
  expect(variants.map(({ format }) => format)).toEqual(['onnx', 'onnx-folded'])
  expect(variants[1]?.bytes).toBe(three.predicted.bytes)
  // A recipe keeps its format, whatever the project plans for now.
  await client.call('project.setFormat', { project, format: 'onnx' })
  await done(client, await client.call('run.start', { project, recipe: three.recipe, evaluate: false }))
  const again = await client.call('project.get', { project })
  expect(again.variants[1]).toEqual(variants[1])
  const { measured } = await client.call('front.get', { project })
  expect(measured.map(({ format }) => format)).toEqual([null, 'onnx-folded'])
}, 120_000)

test('a variant goes into the format it was planned for, or into another that holds it', async () => {
  const { variants } = await client.call('project.get', { project })
  const variant = variants[1]?.id ?? ''
  const path = join(home, 'own.onnx')
  await done(client, await client.call('export.start', { project, variant, path }))
  await done(
    client,
    await client.call('export.start', { project, variant, path: join(home, 'o.onnx'), format: 'onnx' }),
  )
  const { exports } = await client.call('project.get', { project })
  expect(exports.map(({ format }) => format)).toEqual(['onnx-folded', 'onnx'])
  for (const { files, plannedBytes } of exports)
    expect(Math.abs(statSync(files[0]?.path ?? '').size / plannedBytes - 1)).toBeLessThan(0.02)
  const asGguf = client.call('export.start', { project, variant, path: join(home, 'x.gguf'), format: 'gguf' })
  await expect(asGguf).rejects.toMatchObject({ code: 'unsupported', hint: expect.stringContaining('onnx') as string })
  const folder = client.call('export.start', { project, variant, path: join(home, 'x.gguf'), format: 'onnx' })
  await expect(folder).rejects.toMatchObject({ code: 'bad-arguments', data: { field: 'path' } })
}, 120_000)

test('the choice outlives the process; a summary of an older Lathe is looked up again', async () => {
  await client.call('project.setFormat', { project, format: 'onnx-folded' })
  const { exports } = (await client.call('project.get', { project })).checkpoint
  await app.close()
  const db = new Database(join(project, 'lathe.sqlite'))
  db.exec(`UPDATE checkpoints SET summary = json_remove(summary, '$.exports', '$.documents', '$.tied')`)
  db.close()
  open()
  const reopened = await client.call('project.open', { folder: project })
  expect(reopened.format).toBe('onnx-folded')
  expect(reopened.checkpoint.exports).toEqual(exports)
}, 60_000)

test('with a lever switched on there is more to measure, and that is told without asking', async () => {
  const { methods, sensitivity } = await client.call('project.get', { project })
  const told = new Promise<number>((resolve) => {
    const stop = client.on('project', (next) => {
      if (next.sensitivity.total <= sensitivity.total) return
      stop()
      resolve(next.sensitivity.total)
    })
  })
  const levers = [{ method: 'magnitude', parameters: {} }]
  await client.call('project.setMethods', { project, methods: { ...methods, levers } })
  expect(await told).toBeGreaterThan(sensitivity.total)
  await client.call('project.setMethods', { project, methods })
}, 60_000)
