// A short run of every target, and proof that the harness sees what it is for. Long runs: npm run fuzz.
import { expect, test } from 'vitest'
import { Fault } from '../../src-preload/contract/fault.ts'
import { guardedFuzz } from './guard.ts'
import { fuzz } from './loop.ts'
import type { FuzzTarget } from './target.ts'
import { loadTarget, targets } from './targets/registry.ts'

const runs = 5000

test.for([...targets.keys()])('%s throws faults and nothing else', async (name) => {
  const target = await loadTarget(name)
  const report = fuzz(target, { runs, seed: 20 })
  const finds = report.finds.map(({ run, what, mutant }) => ({ run, what, hex: Buffer.from(mutant).toString('hex') }))
  expect(finds).toEqual([])
  expect(report.runs).toBe(runs)
  // Mutants that never reach the parser, or never fail, would prove nothing.
  expect(report.faults).toBeGreaterThan(runs / 50)
  expect(report.outcomes).toBeGreaterThan(8)
})

test.for([...targets.keys()])('%s accepts its own seeds, but for those made to fail', async (name) => {
  const target = await loadTarget(name)
  let accepted = 0
  for (const seed of target.seeds()) {
    try {
      target.run(seed)
      accepted++
    } catch (error) {
      expect(error).toBeInstanceOf(Fault)
    }
  }
  expect(accepted).toBeGreaterThan(0)
})

const planted = (run: FuzzTarget['run']): FuzzTarget => ({
  name: 'planted',
  seeds: () => [new TextEncoder().encode('[length=4]abcd')],
  run,
})

test('a TypeError is a find, with the mutant that causes it', () => {
  const target = planted((bytes) => {
    if (bytes.includes(0x5d)) return 'fine'
    return (null as unknown as string).trim()
  })
  const [find] = fuzz(target, { runs: 1000, seed: 3 }).finds
  expect(find?.what).toContain('TypeError')
  expect(() => target.run(find?.mutant ?? new Uint8Array([0x5d]))).toThrow(TypeError)
})

test('a fault called "internal" is a find, any other is not', () => {
  const faulty = (code: 'internal' | 'bad-input') =>
    fuzz(
      planted(() => {
        throw new Fault(code, 'it')
      }),
      { runs: 10, seed: 1 },
    )
  expect(faulty('internal').finds).toHaveLength(1)
  expect(faulty('bad-input')).toMatchObject({ finds: [], faults: 10, runs: 10 })
})

test('memory that one run takes is seen', () => {
  const kept: Uint8Array[] = []
  const report = fuzz(
    planted((bytes) => void (bytes.length > 30 && kept.push(new Uint8Array(300 * 2 ** 20)))),
    { runs: 10_000, seed: 1 },
  )
  // 300, and what the rest of the process takes or gives back meanwhile
  expect(report.finds[0]?.what).toMatch(/memory grew by (29|30)\d MB/)
})

test('the same seed gives the same mutants, another seed others', () => {
  const mutants = (seed: number) => {
    const list: string[] = []
    fuzz(
      planted((bytes) => void list.push(Buffer.from(bytes).toString('hex'))),
      { runs: 300, seed },
    )
    return list
  }
  expect(mutants(5)).toEqual(mutants(5))
  expect(mutants(5)).not.toEqual(mutants(6))
})

test('a run that never ends is stopped and saved', async () => {
  const find = await guardedFuzz('endless', { runs: 100, seed: 1, hangMs: 300 })
  expect(find).toMatchObject({ target: 'endless', what: expect.stringContaining('did not come back') })
  expect('mutant' in find && Buffer.from(find.mutant).toString()).toBe('loop')
})

test('a thread out of memory is a find', async () => {
  const find = await guardedFuzz('glutton', { runs: 100, seed: 1 })
  expect(find).toMatchObject({ target: 'glutton', what: 'ran out of memory' })
})
