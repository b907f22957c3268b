import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freshHome, isAlive, type Outcome, work } from './fixtures/kill.ts'

// Real jobs on the sample, in real processes, killed with SIGKILL. test/bench/kill.ts does the same at more moments.
const onLinux = process.platform === 'linux'
const homes: string[] = []
let whole: Outcome
let wholeSeconds = 0
const home = (): string => {
  const folder = freshHome()
  homes.push(folder)
  mkdirSync(folder, { recursive: true })
  return folder
}
const targetIn = (folder: string): string => join(folder, 'model.onnx')

beforeAll(async () => {
  const folder = home()
  const { outcome, seconds } = await work(folder, targetIn(folder))
  if (!outcome) throw new Error('the undisturbed job did not finish')
  whole = outcome
  wholeSeconds = seconds
}, 120_000)
afterAll(() => {
  for (const folder of homes) rmSync(folder, { recursive: true, force: true })
})

const same = (outcome: Outcome | null): void => {
  expect(outcome?.sha256).toBe(whole.sha256)
  expect(outcome?.artifacts).toEqual(whole.artifacts)
  expect(outcome?.metrics).toEqual(whole.metrics)
}

test.runIf(onLinux).each([0.1, 0.6])(
  'the engine is killed at %f of the job: it goes on by itself, says so, and gives the same bytes',
  async (share) => {
    const folder = home()
    const attack = { afterMs: share * wholeSeconds * 1_000, victim: 'engine' as const }
    const { outcome, killed } = await work(folder, targetIn(folder), attack)
    expect(killed.length).toBeGreaterThan(0)
    same(outcome)
  },
  120_000,
)

test.runIf(onLinux)(
  'Lathe itself is killed: its engine ends too, the job is listed as interrupted, and resuming gives the same bytes',
  async () => {
    const folder = home()
    const attack = { afterMs: 0.35 * wholeSeconds * 1_000, victim: 'main' as const }
    const first = await work(folder, targetIn(folder), attack)
    expect(first.outcome).toBeNull()
    await expect.poll(() => first.killed.filter(isAlive), { timeout: 5_000 }).toEqual([])
    const second = await work(folder, targetIn(folder))
    expect(second.outcome?.resumed).toBe(1)
    same(second.outcome)
  },
  120_000,
)
