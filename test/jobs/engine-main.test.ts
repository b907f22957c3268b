import { spawnSync } from 'node:child_process'
import { afterAll, expect, test } from 'vitest'
import type { TaskName } from '../../src-main/engine/protocol.ts'
import { tasks } from '../../src-main/engine/tasks/registry.ts'
import { engineEntry } from '../../src-main/jobs/locate.ts'
import { createSupervisor } from '../../src-main/jobs/supervisor.ts'

const engine = createSupervisor()
afterAll(() => engine.close())

test('the real engine starts from source and answers with a typed fault', async () => {
  await expect(engine.run('inspect', { path: '/nonexistent/model.onnx' })).rejects.toMatchObject({
    name: 'Fault',
    code: 'not-found',
    message: expect.stringContaining('/nonexistent/model.onnx') as unknown,
  })
})

test('a task it does not know is a defect, not a crash', async () => {
  const pid = engine.pid()
  for (const name of ['dance', 'constructor', '__proto__'])
    await expect(engine.run(name as TaskName, {} as never)).rejects.toMatchObject({ code: 'internal' })
  expect(engine.pid()).toBe(pid)
})

test('every task can be loaded', async () => {
  for (const load of Object.values(tasks)) expect(typeof (await load())).toBe('function')
})

test('started by hand it says what it is for', () => {
  const { status, stderr } = spawnSync(process.execPath, [engineEntry()], { encoding: 'utf8' })
  expect(status).toBe(2)
  expect(stderr).toMatch(/started by Lathe itself/)
})
