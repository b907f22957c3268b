import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createApp } from '../../src-main/app/create.ts'
import type { Methods } from '../../src-preload/contract/plan.ts'
import { dataPath, hasData } from '../helpers/data.ts'
import { done, jobWhen } from './fixtures/jobs.ts'

// Methods of a project on their way: into the plan, the recipe, a run piece by piece, the measured variant, the file.
const home = mkdtempSync(join(tmpdir(), 'lathe-calibrated-'))
const app = createApp({ home, door: 'cli' })
const client = app.client()
afterAll(async () => {
  await app.close()
  rmSync(home, { recursive: true, force: true })
})
const checkpoint = dataPath('stories260K')
const data = join(checkpoint, 'data.yaml')

async function makeProject(name: string, methods: Partial<Methods>, withData = true): Promise<string> {
  const folder = join(home, name)
  await client.call('project.create', { checkpoint, folder, data: withData ? data : null })
  const whole = { quantizer: null, prepare: [], samples: 16, ...methods }
  await client.call('project.setMethods', { project: folder, methods: whole })
  return folder
}
const gptq: Partial<Methods> = { quantizer: { method: 'gptq', parameters: {} } }
const planOf = async (project: string) =>
  (await client.call('plan.solve', { project, budget: { bits: 3 }, uniform: true })).recipe
const lossOf = async (project: string, variant: string | null): Promise<number> =>
  (await client.call('project.get', { project })).evaluations.find((each) => each.variant === variant)?.metrics
    .klDivergence?.value ?? Number.NaN
const artifacts = (project: string): string[] => readdirSync(join(project, 'artifacts')).sort()

test.skipIf(!hasData)(
  'a calibrated quantizer takes the same bytes as rounding to nearest and loses less',
  async () => {
    const plain = await makeProject('plain', {})
    const plainRecipe = await planOf(plain)
    expect(plainRecipe.methods).toBeUndefined()
    const project = await makeProject('gptq', gptq)
    const recipe = await planOf(project)
    expect(recipe.methods).toMatchObject(gptq)
    expect(recipe.data).toBe((await client.call('project.get', { project })).data?.fingerprint)
    expect(recipe.layers.some(({ option }) => option.method === 'gptq')).toBe(true)
    const nearest = await done(client, await client.call('run.start', { project: plain, recipe: plainRecipe }))
    const better = await done(client, await client.call('run.start', { project, recipe }))
    expect(await lossOf(project, better)).toBeLessThan((await lossOf(plain, nearest)) * 0.8)
    // What was handed from piece to piece is gone; the layers are there, and nothing is made twice.
    const layers = recipe.layers.filter(({ option }) => option.method !== 'keep').length
    expect(artifacts(project)).toHaveLength(layers)
    const exportOf = async (folder: string, variant: string | null): Promise<number | undefined> => {
      const path = join(home, `${variant}.onnx`)
      await done(client, await client.call('export.start', { project: folder, variant: variant ?? '', path }))
      return (await client.call('project.get', { project: folder })).exports.at(-1)?.files[0]?.bytes
    }
    expect(await exportOf(project, better)).toBe(await exportOf(plain, nearest))
  },
  240_000,
)

test.skipIf(!hasData)(
  'stopped between pieces, a calibrated run goes on to the same bytes; a lost state costs the pieces before it',
  async () => {
    const whole = await makeProject('whole', gptq)
    const recipe = await planOf(whole)
    const undisturbed = await done(client, await client.call('run.start', { project: whole, recipe, evaluate: false }))

    const project = await makeProject('stopped', gptq)
    const started = await client.call('run.start', { project, recipe, evaluate: false })
    await jobWhen(client, started, ({ unitsDone, state }) => unitsDone >= 3 || state === 'done')
    await client.call('job.cancel', started)
    expect((await jobWhen(client, started)).state).toBe('cancelled')
    const [state] = artifacts(project).filter((name) => !artifacts(whole).includes(name))
    expect(state).toBeDefined()
    rmSync(join(project, 'artifacts', state ?? ''))
    await client.call('job.resume', started)
    expect(await done(client, started)).toBe(undisturbed)
    expect(artifacts(project)).toEqual(artifacts(whole))
  },
  240_000,
)

test.skipIf(!hasData)(
  'rewritings are measured once, enter the recipe, and the variant is judged against the checkpoint as it is',
  async () => {
    const project = await makeProject('rotated', { prepare: [{ method: 'rotate', parameters: {} }] })
    const recipe = await planOf(project)
    expect(recipe.methods?.prepare).toEqual([{ method: 'rotate', parameters: {} }])
    const variant = await done(client, await client.call('run.start', { project, recipe }))
    const loss = await lossOf(project, variant)
    expect(loss).toBeGreaterThan(0)
    expect(loss).toBeLessThan(2)

    const smooth = await makeProject('smooth', { prepare: [{ method: 'awq', parameters: {} }] })
    const measured = await planOf(smooth)
    await done(client, await client.call('run.start', { project: smooth, recipe: measured, evaluate: false }))
    expect(artifacts(smooth).filter((name) => name.endsWith('.prepared.safetensors'))).toHaveLength(1)
  },
  240_000,
)

test.skipIf(!hasData)('methods that cannot be are refused when they are chosen', async () => {
  const project = await makeProject('refused', {})
  const set = (methods: Partial<Methods>) =>
    client.call('project.setMethods', { project, methods: { quantizer: null, prepare: [], samples: null, ...methods } })
  await expect(set({ quantizer: { method: 'gtpq', parameters: {} } })).rejects.toMatchObject({ code: 'bad-arguments' })
  await expect(set({ quantizer: { method: 'gptq', parameters: { speed: 1 } } })).rejects.toMatchObject({
    code: 'bad-arguments',
    data: { field: 'speed' },
  })
  await expect(set({ prepare: [{ method: 'rotat', parameters: {} }] })).rejects.toThrow(/rotat/)
  await client.call('project.setData', { project, path: null })
  await expect(set(gptq)).rejects.toMatchObject({ code: 'bad-data' })
  expect((await client.call('project.get', { project })).methods).toMatchObject({ quantizer: null })
})
