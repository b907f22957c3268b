import { rmSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { depthChain } from '../../src-main/app/depth-loss.ts'
import { depthUnits } from '../../src-main/app/depth-units.ts'
import type { OpenProject, Subject } from '../../src-main/app/projects.ts'
import type { Tasks } from '../../src-main/engine/protocol.ts'
import type { UnitContext } from '../../src-main/jobs/work.ts'
import { listOptions } from '../../src-main/store/options.ts'
import { openProject, summary } from '../store/fixtures/project.ts'

const store = openProject()
afterAll(() => {
  store.close()
  rmSync(store.folder, { recursive: true, force: true })
})
const project = { folder: store.folder, store } as OpenProject
const subject = {
  row: { checkpoint: summary.fingerprint, device: 'cpu' },
  checkpoint: { path: '/models/tiny.onnx', relativePath: '', summary: { ...summary, blocks: 4 } },
  data: 'data',
} as Subject

/** Block 3 can never go; the others cost more the more has gone, and block 0 is the cheapest only at first. */
const cost = [0.1, 0.2, 0.3]
const asked: number[][] = []
const engine = {
  run(_: 'depth', { removed, samples }: Tasks['depth']['args']): Promise<Tasks['depth']['result']> {
    asked.push(removed)
    const candidates = [0, 1, 2]
      .filter((block) => !removed.includes(block))
      .map((block) => ({ block, loss: [...removed, block].reduce((sum, each) => sum + (cost[each] ?? 0), 0), standardError: 0.01 })) // prettier-ignore
    return Promise.resolve({ candidates, samples, source: 'a test', notices: [] })
  },
}
const context = { engine, hooks: { progress: () => undefined, notify: () => undefined } } as unknown as UnitContext
const order = (samples: number, most: number) =>
  depthUnits(project, {
    subject,
    checkpoint: '/models/tiny.onnx',
    data: { path: 'data', split: 'none' },
    samples,
    most,
  })

async function work(units: ReturnType<typeof depthUnits>) {
  for (const unit of units) if (!(await unit.isDone())) await unit.run(context)
}

test('each step goes on from the cheapest of the one before, everything tried is kept, and nothing is done twice', async () => {
  expect(depthChain(project, subject)).toEqual([{ removed: [], loss: 0, standardError: 0 }])
  await work(order(8, 2))
  expect(asked).toEqual([[], [0]])
  await work(order(8, 9))
  expect(asked).toEqual([[], [0], [0, 1]])
  const chain = depthChain(project, subject)
  expect(chain.map(({ removed }) => removed)).toEqual([[], [0], [0, 1], [0, 1, 2]])
  expect(chain[3]?.loss).toBeCloseTo(0.6, 12)
  const rows = listOptions(store.read, { checkpoint: summary.fingerprint, data: 'data' })
  expect(rows.map(({ layer, option }) => `${layer}${option}`).sort()).toEqual([
    'remove-0',
    'remove-0-1',
    'remove-0-1-2',
    'remove-0-2',
    'remove-1',
    'remove-2',
  ])
  expect(rows.every(({ samples, standardError }) => samples === 8 && standardError === 0.01)).toBe(true)
})

test('with more samples the chain is measured again from its beginning', async () => {
  asked.length = 0
  cost.reverse()
  await work(order(16, 2))
  expect(asked).toEqual([[], [2]])
  expect(depthChain(project, subject)[2]?.removed).toEqual([1, 2])
})
