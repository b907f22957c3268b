import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createApp } from '../../src-main/app/create.ts'
import { isWeighted } from '../../src-preload/contract/plan.ts'
import { dataPath, hasData } from '../helpers/data.ts'
import { done, jobWhen } from './fixtures/jobs.ts'

// Calibration-weighted options, planned for GGUF on a real small language model.
const home = mkdtempSync(join(tmpdir(), 'lathe-weighted-'))
const app = createApp({ home, door: 'cli' })
const client = app.client()
afterAll(async () => {
  await app.close()
  rmSync(home, { recursive: true, force: true })
})
const checkpoint = dataPath('stories260K')
const data = join(checkpoint, 'data.yaml')

async function makeProject(name: string, withData: boolean) {
  const folder = join(home, name)
  await client.call('project.create', { checkpoint, folder, data: withData ? data : null })
  await client.call('project.setFormat', { project: folder, format: 'gguf' })
  return folder
}
const planOf = async (project: string) => (await client.call('plan.solve', { project, budget: { bits: 5 } })).recipe

test.skipIf(!hasData)(
  'with data every rounding is weighed, and the recipe names the data; without, none is',
  async () => {
    const project = await makeProject('with', true)
    const offered = (await client.call('option.list', { project })).flatMap(({ options }) => options)
    expect(offered.some(isWeighted)).toBe(true)
    expect(offered.some(({ id }) => id === 'gguf-q4_0')).toBe(false)
    expect(offered.some(({ id }) => id === 'gguf-q4_0-w')).toBe(true)
    const recipe = await planOf(project)
    expect(recipe.layers.some(({ option }) => isWeighted(option))).toBe(true)
    expect(recipe.data).toBe((await client.call('project.get', { project })).data?.fingerprint)

    const bare = await makeProject('without', false)
    expect(
      (await client.call('option.list', { project: bare })).flatMap(({ options }) => options).some(isWeighted),
    ).toBe(false)
    expect((await planOf(bare)).data).toBeUndefined()
  },
  120_000,
)

test.skipIf(!hasData)(
  'stopped while importance is measured, a run resumes to the same bytes; later data changes nothing',
  async () => {
    const exported = async (project: string, name: string, variant: string): Promise<string | undefined> => {
      await done(client, await client.call('export.start', { project, variant, path: join(home, name) }))
      return (await client.call('project.get', { project })).exports.at(-1)?.files[0]?.sha256
    }
    const whole = await makeProject('whole', true)
    const recipe = await planOf(whole)
    const undisturbed = await done(client, await client.call('run.start', { project: whole, recipe, evaluate: false }))

    const project = await makeProject('stopped', true)
    const started = await client.call('run.start', { project, recipe, evaluate: false })
    await jobWhen(client, started, ({ step, state }) => step.startsWith('importance') || state === 'done')
    await client.call('job.cancel', started)
    expect((await jobWhen(client, started)).state).toBe('cancelled')
    await client.call('job.resume', started)
    const variant = await done(client, started)
    expect(variant).toBe(undisturbed)
    const sha256 = await exported(project, 'a.gguf', variant ?? '')
    expect(sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(await exported(whole, 'b.gguf', undisturbed ?? '')).toBe(sha256)

    // The recipe still stands for the same bytes where the project has no data any more.
    await client.call('project.setData', { project, path: null })
    expect(await done(client, await client.call('run.start', { project, recipe, evaluate: false }))).toBe(variant)
    expect((await planOf(project)).data).toBeUndefined()
    const stranger = { ...recipe, data: 'f'.repeat(64) }
    const job = await jobWhen(client, await client.call('run.start', { project, recipe: stranger, evaluate: false }))
    expect(job.fault).toMatchObject({ code: 'bad-data' })
  },
  240_000,
)
