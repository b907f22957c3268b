import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { layerScores, ranksOf, spearman } from '../../src-preload/contract/layer-scores.ts'
import { createApp } from '../../src-main/app/create.ts'
import { sampleOf } from '../../src-main/app/samples.ts'
import { weightsOf } from '../../src-main/app/score-plans.ts'
import { done, jobWhen } from './fixtures/jobs.ts'

const home = mkdtempSync(join(tmpdir(), 'lathe-scores-'))
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
const budgets = [{ bits: 3 }, { bits: 4 }]
const use = (method: string) => ({ method, parameters: {} })

test('ranks share places, and Spearman is that of a hand-computed case', () => {
  expect(ranksOf([3, 1, 3, 2])).toEqual([1.5, 4, 1.5, 3])
  expect(spearman([1, 2, 3, 4, 5], [2, 1, 4, 3, 5])).toBeCloseTo(0.8, 12) // 1 - 6 * 4 / (5 * 24)
  expect(spearman([1, 2], [1, 2])).toBeNull()
  expect(spearman([1, 1, 1], [1, 2, 3])).toBeNull()
})

test('a score of blocks or of finer things becomes one of layers', () => {
  const two = [
    { name: 'a', block: 0 },
    { name: 'b', block: 0 },
    { name: 'c', block: 1 },
    { name: 'd', block: null },
  ]
  const values = (of: Record<string, number>) => Object.entries(of).map(([key, value]) => ({ key, value }))
  const found = (per: 'block' | 'layer' | 'head', of: Record<string, number>) =>
    Object.fromEntries(layerScores(two, { per, values: values(of) }))
  expect(found('block', { 0: 5, 1: 7 })).toEqual({ a: 5, b: 5, c: 7 })
  expect(found('layer', { a: 1, d: 2 })).toEqual({ a: 1, d: 2 })
  expect(found('head', { 'a/0': 1, 'a/1': 3 })).toEqual({ a: 2 })
  expect(found('head', { '0/0': 1, '0/1': 3, '1/0': 8 })).toEqual({ a: 2, b: 2, c: 8 })
})

test('layers of an expert have its score, the others of its block the mean of all its experts', () => {
  const layers = [
    { name: 'router', block: 0 },
    { name: 'first.up', block: 0, expert: 0 },
    { name: 'first.down', block: 0, expert: 0 },
    { name: 'second.up', block: 0, expert: 1 },
    { name: 'elsewhere', block: null },
  ]
  const values = [
    { key: '0/0', value: 1 },
    { key: '0/1', value: 5 },
  ]
  const found = Object.fromEntries(layerScores(layers, { per: 'expert', values }))
  expect(found).toEqual({ router: 3, 'first.up': 1, 'first.down': 1, 'second.up': 5 })
})

test('by rank the middle weighs 1 and the ends half a bit more and less; by value nothing is negative', () => {
  const scores = new Map([
    ['a', -0.9],
    ['b', -0.5],
    ['c', 0.1],
  ])
  expect([...weightsOf(['a', 'b', 'c', 'silent'], scores, 'rank')]).toEqual([
    ['a', 0.5],
    ['b', 1],
    ['c', 2],
  ])
  const byValue = weightsOf(['a', 'b', 'c'], scores, 'value')
  expect(byValue.get('a')).toBeGreaterThan(0)
  expect(byValue.get('c')).toBeGreaterThan(byValue.get('b') ?? Infinity)
})

test('several scores in one job, each kept as it comes', async () => {
  const started = await client.call('score.start', { project, uses: [use('zd'), use('lim'), use('zd')] })
  const job = await jobWhen(client, started)
  expect([job.state, job.unitsTotal]).toEqual(['done', 2])
  const { scores } = await client.call('project.get', { project })
  expect(scores.map(({ method }) => method).sort()).toEqual(['lim', 'zd'])
  await expect(client.call('score.start', { project, uses: [use('nothing')] })).rejects.toMatchObject({
    code: 'bad-arguments',
  })
})

test('a score with other parameters stands beside the one before, and the latest is shown', async () => {
  const uses = [
    { method: 'luq', parameters: { clusters: 8 } },
    { method: 'luq', parameters: { clusters: 16 } },
    { method: 'luq', parameters: { clusters: 8 } },
  ]
  await done(client, await client.call('score.start', { project, uses }))
  const { scores } = await client.call('project.get', { project })
  const shown = scores.filter(({ method }) => method === 'luq')
  expect(shown).toHaveLength(1)
  expect(shown[0]).toMatchObject({ parameters: { clusters: 16 }, others: [{ clusters: 8 }] })
  const at = async (parameters: object | null) =>
    (await client.call('score.get', { project, method: 'luq', parameters: parameters as Record<string, number> | null }))?.parameters // prettier-ignore
  expect(await at(null)).toEqual({ clusters: 16 })
  expect(await at({ clusters: 8 })).toEqual({ clusters: 8 })
  expect(await at({ clusters: 9 })).toBeUndefined()
  await done(client, await client.call('score.start', { project, uses: uses.slice(0, 1) }))
  expect(await at(null)).toEqual({ clusters: 8 })
})

test('plans by score are judged by the measured sensitivities, which none of them beats', async () => {
  await done(client, await client.call('sensitivity.start', { project, samples: 64 }))
  const { rows, unmeasured, judge } = await client.call('score.plans', { project, methods: ['zd', 'lim'], budgets })
  expect(judge).toContain('measured one layer at a time')
  expect(rows.map(({ basis, method }) => method ?? basis)).toEqual(['zd', 'lim', 'error', 'sensitivity', 'uniform'])
  const best = rows.find(({ basis }) => basis === 'sensitivity')?.points ?? []
  for (const { points, basis } of rows)
    points.forEach((point, at) => {
      expect(point.bytes).toBeLessThanOrEqual((best[at]?.bytes ?? 0) * 1.35)
      if (basis !== 'uniform')
        expect(point.judged.loss).toBeGreaterThanOrEqual((best[at]?.judged.loss ?? 0) * (1 - 1e-9))
      expect(point.measured).toBeNull()
    })
  expect(unmeasured).toBeLessThan(rows.length * 1000)
  const first = rows[0]?.points[0]
  if (!first) throw new Error('no point')
  await done(client, await client.call('run.start', { project, recipe: first.recipe, name: 'zd at 3 bits' }))
  const again = await client.call('score.plans', { project, methods: ['zd'], budgets })
  expect(again.rows[0]?.points[0]?.measured?.loss).toBeGreaterThan(0)
  await expect(client.call('score.plans', { project, methods: ['zd'], budgets: [{ loss: 1 }] })).rejects.toMatchObject({
    code: 'bad-arguments',
  })
})

test('an X-ray tells channels, spectrum and inputs, and is kept', async () => {
  const seen = await client.call('layer.xray', { project, layer })
  const shape = layers.find(({ name }) => name === layer)?.shape ?? []
  expect([seen.rows.count, seen.cols.count]).toEqual([shape[0], shape[1]])
  expect(seen.inputs?.entropy).toHaveLength(shape[1] ?? 0)
  expect(seen.spectrum?.energy.at(-1)).toBeCloseTo(1, 6)
  const before = performance.now()
  expect(await client.call('layer.xray', { project, layer })).toEqual(seen)
  expect(performance.now() - before).toBeLessThan(500)
  await client.call('project.setData', { project, path: null })
  expect((await client.call('layer.xray', { project, layer })).inputs).toBeNull()
  await expect(client.call('layer.xray', { project, layer: 'none' })).rejects.toMatchObject({ code: 'not-found' })
})
