import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createApp } from '../../src-main/app/create.ts'

const home = mkdtempSync(join(tmpdir(), 'lathe-two-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

test('while another Lathe works, this one reads and plans, and is told who works when it wants to work too', async () => {
  const script = join(import.meta.dirname, 'fixtures', 'work.ts')
  const other = spawn(process.execPath, [script, home, join(home, 'out.onnx')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const app = createApp({ home, door: 'web' })
  const client = app.client()
  try {
    const [said] = (await once(other.stdout, 'data')) as [Buffer]
    expect(said.toString()).toMatch(/^started/)
    const { folder: project, checkpoint } = await client.call('project.open', {
      folder: join(home, 'projects', 'sample-vision'),
    })
    expect(checkpoint.layers.length).toBeGreaterThan(10)
    expect(await client.call('job.list', {})).toEqual([]) // that job is not ours to resume
    await expect(client.call('sensitivity.start', { project })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(`process ${other.pid} (cli)`) as unknown,
    })
    await client.call('project.setDevice', { project, device: 'cpu' })
    await once(other, 'exit')
    // Its result is there, and the place is free.
    expect((await client.call('project.get', { project })).exports).toHaveLength(1)
    const { job } = await client.call('sensitivity.start', { project, samples: 8 })
    await client.call('job.cancel', { job })
  } finally {
    other.kill('SIGKILL')
    await app.close()
  }
}, 120_000)

test('a scratch project is found again by the checkpoint, and is not among the recent ones', async () => {
  const app = createApp({ home, door: 'cli' })
  const client = app.client()
  try {
    const { path } = (await client.call('project.createSample', { sample: 'vision' })).checkpoint
    const [one, two] = await Promise.all([app.openScratch(path), app.openScratch(path)])
    expect(one.folder).toBe(two.folder)
    expect(one.folder).toMatch(/scratch.vision-[0-9a-f]{16}$/)
    expect((await client.call('project.recent', {})).map(({ folder }) => folder)).not.toContain(one.folder)
  } finally {
    await app.close()
  }
}, 60_000)
