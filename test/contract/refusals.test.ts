import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { ChannelName } from '../../src-preload/contract/channels.ts'
import { checkpoint, data, openContract } from './house.ts'

// What channels refuse, each with a typed fault that says what and where.
const { home, app, project, invoke, call, close } = await openContract()
afterAll(close)
const { recipe } = await call('plan.solve', { project, budget: { bits: 4 } })
await call('project.create', { checkpoint, folder: join(home, 'another') })

test('what is no channel is refused', async () => {
  for (const name of ['nothing', '__proto__', 'constructor', 7, null])
    expect(await app.dispatch(name, {}, { door: 'web', trusted: true })).toMatchObject({
      ok: false,
      fault: { code: 'bad-arguments' },
    })
})

test.each<[ChannelName, () => unknown, string, RegExp]>([
  ['project.open', () => ({ folder: join(home, 'nowhere') }), 'not-found', /not a Lathe project/],
  ['project.create', () => ({ checkpoint: join(home, 'none.onnx') }), 'not-found', /none\.onnx/],
  ['project.create', () => ({ checkpoint, folder: project }), 'conflict', /already holds a project/],
  ['project.create', () => ({ checkpoint, folder: join(home, 'projects') }), 'conflict', /not empty/],
  ['project.create', () => ({ checkpoint: data }), 'bad-input', /data\.yaml/],
  ['checkpoint.histogram', () => ({ path: checkpoint, layer: 'no such layer' }), 'not-found', /no such layer/],
  ['score.start', () => ({ project, uses: [{ method: 'astrology' }] }), 'bad-arguments', /astrology/],
  ['plan.solve', () => ({ project, budget: { bytes: 10 } }), 'infeasible', /least possible is/],
  ['plan.solve', () => ({ project, budget: { bits: 4 }, locked: { nothing: 'keep' } }), 'bad-arguments', /nothing/],
  [
    'run.start',
    () => ({ project, recipe: { ...recipe, checkpoint: { name: 'x', fingerprint: 'y' } } }),
    'bad-arguments',
    /another checkpoint/,
  ],
  ['variant.pin', () => ({ project, variant: 'none', pinned: true }), 'not-found', /no variant/],
  ['export.start', () => ({ project, variant: 'none', path: '/tmp/x' }), 'not-found', /no variant/],
  ['evaluate.start', () => ({ project: join(home, 'another'), variant: null }), 'bad-data', /no data/],
  ['project.setFormat', () => ({ project, format: 'jpeg' }), 'bad-arguments', /jpeg/],
  ['convert.plan', () => ({ checkpoint, format: 'onnx', parameters: { type: 'int9' } }), 'bad-arguments', /int9|type/],
  ['convert.start', () => ({ checkpoint, format: 'jpeg', path: '/tmp/x' }), 'bad-arguments', /jpeg/],
  ['convert.start', () => ({ checkpoint, format: 'onnx', path: checkpoint }), 'conflict', /already exists/],
  ['convert.get', () => ({ job: 'none' }), 'not-found', /no finished conversion/],
  ['shootout.start', () => ({ project, layer: 'no such layer' }), 'not-found', /no such layer/],
  ['shootout.start', () => ({ project, layer: recipe.layers[0]?.name, methods: ['dice'] }), 'bad-arguments', /dice/],
  ['shootout.get', () => ({ project, layer: 'no such layer' }), 'not-found', /no such layer/],
  ['job.cancel', () => ({ job: 'none' }), 'not-found', /no job/],
  ['files.list', () => ({ folder: join(home, 'nowhere') }), 'not-found', /nowhere/],
  ['files.reveal', () => ({ path: join(home, 'nowhere') }), 'not-found', /nowhere/],
])('%s refuses with a typed fault that says what and where (%#)', async (name, args, code, message) => {
  const reply = await invoke(name, args())
  expect(reply).toMatchObject({ ok: false, fault: { code } })
  expect(reply.ok ? '' : reply.fault.message).toMatch(message)
})
