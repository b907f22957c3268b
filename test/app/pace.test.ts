import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { AppContext } from '../../src-main/app/context.ts'
import { paceOf, type Speed } from '../../src-main/app/pace.ts'
import type { OpenProject, Subject } from '../../src-main/app/projects.ts'
import { machineRates, networkPace, ratesHandlers } from '../../src-main/app/rates.ts'

const home = mkdtempSync(join(tmpdir(), 'lathe-pace-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

const empty = {
  store: { read: { prepare: () => ({ get: () => undefined, all: () => [] }) } },
} as unknown as OpenProject
const subject = {
  row: { checkpoint: 'c' },
  checkpoint: { summary: { parameters: 1e6 } },
} as unknown as Subject
const rates = { gflops: 50, weightsPerSecond: 1e7, openMs: 20, machine: 'm', at: '2026-01-01T00:00:00.000Z' }
const speed: Speed = { rates, network: { perSampleMs: 10, fixedMs: 200, samples: 24, isRun: true } }

test('before anything was timed, an evaluation takes its samples at the pace of the probe', () => {
  const { msPerWeight, msPerUnit, units, isGuess } = paceOf(empty, subject, 'evaluate-original', speed)
  expect([units, isGuess]).toEqual([0, false])
  // The weight of the unit: parameters x samples.
  expect(msPerWeight * 1e6 * 100 + msPerUnit).toBeCloseTo(100 * 10 + 200 + 12, 6)
})

test('twice the speed, half the time; nothing measured is a guess, and said', () => {
  const fast = { rates: { ...rates, weightsPerSecond: 2e7 }, network: null }
  const [slow, quick] = [speed, fast].map((each) => paceOf(empty, subject, 'compress', each))
  expect(slow!.msPerWeight / quick!.msPerWeight).toBeCloseTo(2, 12)
  const blind = { rates: null, network: null }
  for (const kind of ['compress', 'evaluate', 'piece', 'running', 'anything'])
    expect(paceOf(empty, subject, kind, blind).isGuess).toBe(true)
  expect(paceOf(empty, subject, 'evaluate', { rates, network: null }).isGuess).toBe(true)
  expect(paceOf(empty, subject, 'evaluate', blind).deviation).toBeGreaterThan(
    paceOf(empty, subject, 'evaluate', speed).deviation,
  )
})

test('the machine is measured once, kept, and measured anew when asked or when the file is not of this machine', async () => {
  let asked = 0
  const open = (): AppContext =>
    ({
      home,
      questions: { run: () => Promise.resolve({ gflops: 10 + (asked += 1), weightsPerSecond: 1, openMs: 1 }) },
    }) as unknown as AppContext
  const first = open()
  expect(ratesHandlers(first)['machine.rates']({ measure: false }, { door: 'cli', trusted: true })).toBeNull()
  expect(await Promise.all([machineRates(first), machineRates(first)])).toMatchObject([{ gflops: 11 }, { gflops: 11 }])
  expect(await machineRates(open())).toMatchObject({ gflops: 11 }) // another process
  expect(await machineRates(open(), true)).toMatchObject({ gflops: 12 })
  const file = join(home, 'rates.json')
  writeFileSync(file, readFileSync(file, 'utf8').replace(/"machine": "/, '"machine": "another '))
  expect(await machineRates(open())).toMatchObject({ gflops: 13 })
  writeFileSync(file, 'no JSON')
  expect(await machineRates(open())).toMatchObject({ gflops: 14 })
  const broken = { home, questions: { run: () => Promise.reject(new Error('gone')) } } as unknown as AppContext
  rmSync(file)
  expect(await machineRates(broken)).toBeNull()
})

test('a probe beside heavy work spoils nothing: the best of the last seven days counts, a better one takes its place', async () => {
  const file = join(home, 'rates.json')
  const speeds = [40, 10, 50]
  let probes = 0
  const run = () => Promise.resolve({ gflops: speeds[probes++], weightsPerSecond: 1, openMs: 9 })
  const open = () => ({ home, questions: { run } }) as unknown as AppContext
  const days = () => (JSON.parse(readFileSync(file, 'utf8')) as { days: (typeof rates)[] }).days
  rmSync(file, { force: true })
  await machineRates(open())
  expect(await machineRates(open(), true)).toMatchObject({ gflops: 40 }) // 10 was measured
  expect(days()).toHaveLength(1)
  const [today] = days()
  const older = Array.from({ length: 9 }, (_, day) => ({
    ...today,
    gflops: 60 + day,
    openMs: 3,
    at: `2020-01-0${9 - day}`,
  }))
  writeFileSync(file, JSON.stringify({ days: older }))
  // The first call of a day measures; of the older days the newest six stay, with the better figures.
  expect(await machineRates(open())).toMatchObject({
    gflops: 65,
    openMs: 3,
    at: expect.not.stringMatching(/^2020/) as unknown,
  })
  expect(probes).toBe(3)
  expect(days().map(({ gflops }) => gflops)).toEqual([50, 60, 61, 62, 63, 64, 65])
  expect(await machineRates(open())).toMatchObject({ gflops: 65 })
  expect(probes).toBe(3)
  const broken = { home, questions: { run: () => Promise.reject(new Error('gone')) } } as unknown as AppContext
  expect(await machineRates(broken, true)).toMatchObject({ gflops: 65 })
  rmSync(file)
})

test('a network is run where that is quick, and else told by the machine: two operations a weight and place, at half the peak', async () => {
  let runs = 0
  const found = { perSampleMs: 3, fixedMs: 40, samples: 24 }
  const run = () => Promise.resolve((runs += 1) && found)
  const context = { home, questions: { run } } as unknown as AppContext
  const stored: unknown[] = []
  const prepare = () => ({ get: () => undefined, all: () => [], run: (row: unknown) => stored.push(row) })
  const project = { folder: home, store: { read: { prepare }, write: { prepare } } } as unknown as OpenProject
  const of = (parameters: number): Subject =>
    ({
      ...{ row: { checkpoint: 'c', device: 'cpu' }, data: 'd' },
      checkpoint: { path: file, relativePath: '', summary: { parameters, task: 'causal-lm', layers: [] } },
      dataSet: { path: file, relativePath: '', split: 'auto', summary: { kind: 'text', unit: 'windows of 256 tokens', details: {} } }, // prettier-ignore
    }) as unknown as Subject
  const file = join(home, 'here')
  writeFileSync(file, '')
  expect(await networkPace(context, project, of(1e6), rates)).toEqual({ ...found, isRun: true })
  expect([runs, stored.length]).toEqual([1, 1])
  // 2 x 1e9 x 256 operations at 25 of 50 GFLOPS: 20.48 seconds a sample, eight of them three times.
  expect(await networkPace(context, project, of(1e9), rates)).toEqual({ perSampleMs: 20_480, fixedMs: 20, samples: 0, isRun: false }) // prettier-ignore
  expect(runs).toBe(1)
  // Three batches of eight in 14.3 s are run, in 15.2 s they are not.
  await networkPace(context, project, of(2.9e7), rates)
  expect(runs).toBe(2)
  await networkPace(context, project, of(3.1e7), rates)
  expect(runs).toBe(2)
})
