import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { Job } from '../../src-preload/contract/job.ts'
import { createApp } from '../../src-main/app/create.ts'
import { encodeSafetensors } from '../../src-main/engine/checkpoint/safetensors.ts'
import { random } from '../../src-main/engine/data/random.ts'

const home = mkdtempSync(join(tmpdir(), 'lathe-tensors-'))
const app = createApp({ home, door: 'cli' })
const client = app.client()
afterAll(async () => {
  await app.close()
  rmSync(home, { recursive: true, force: true })
})

function finished({ job: id }: { job: string }): Promise<Job> {
  return new Promise((resolve) => {
    const look = (jobs: Job[]): void => {
      const job = jobs.find((one) => one.id === id)
      if (!job || job.state === 'queued' || job.state === 'running') return
      stop()
      resolve(job)
    }
    const stop = client.on('jobs', look)
    void client.call('job.list', {}).then(look)
  })
}

function writeCheckpoint(): string {
  const source = random(11)
  const weight = (shape: number[], spread: number) => {
    const length = shape.reduce((product, size) => product * size, 1)
    const data = Float32Array.from({ length }, () => source.normal() ** spread)
    return { dtype: 'float32' as const, shape, data: new Uint8Array(data.buffer) }
  }
  const path = join(home, 'loose.safetensors')
  const tensors = { 'a.weight': weight([64, 128], 1), 'b.weight': weight([96, 64], 3), 'b.bias': weight([96], 1) }
  writeFileSync(path, encodeSafetensors(tensors))
  return path
}

test('tensors only: planned by weight error, run, exported packed; what cannot be says so', async () => {
  const checkpoint = writeCheckpoint()
  const { folder: project } = await client.call('project.create', { checkpoint, folder: join(home, 'project') })
  expect((await finished(await client.call('sensitivity.start', { project }))).state).toBe('done')
  const plan = await client.call('plan.solve', { project, budget: { bits: 4 } })
  expect(plan.predicted.source).toContain('weight error only (no data)')
  const run = await finished(await client.call('run.start', { project, recipe: plan.recipe, evaluate: true }))
  expect(run).toMatchObject({ state: 'done', notices: [expect.stringMatching(/^Not measured/)] })
  const variant = run.result ?? ''

  const out = join(home, 'out.safetensors')
  expect((await finished(await client.call('export.start', { project, variant, path: out }))).state).toBe('done')
  const [made] = (await client.call('project.get', { project })).exports
  expect(made).toMatchObject({ format: 'safetensors', plannedBytes: plan.predicted.bytes })
  expect(made?.files).toEqual([
    { path: out, bytes: plan.predicted.bytes, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
  ])
  expect(statSync(out).size).toBe(plan.predicted.bytes)

  const asOnnx = client.call('export.start', { project, variant, path: join(home, 'x'), format: 'onnx' })
  await expect(asOnnx).rejects.toMatchObject({
    code: 'unsupported',
    hint: expect.stringContaining('safetensors') as string,
  })
  const misnamed = client.call('export.start', { project, variant, path: join(home, 'x.onnx') })
  await expect(misnamed).rejects.toMatchObject({ code: 'bad-arguments' })
  const evaluating = client.call('evaluate.start', { project, variant })
  await expect(evaluating).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining('tensors only') as string,
  })
}, 60_000)
