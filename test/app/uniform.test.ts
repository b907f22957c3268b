import { expect, test } from 'vitest'
import { uniformIn } from '../../src-main/app/uniform.ts'
import { spacesOf, type Space } from '../../src-main/app/plan-space.ts'
import { calibrate } from '../../src-main/app/calibrate.ts'
import type { PlanLayer, PlanModel } from '../../src-main/app/plan-model.ts'
import { solvePlan } from '../../src-main/app/solve.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import { type Constraints, noConstraints, type Option, plainMethods } from '../../src-preload/contract/plan.ts'
import { summary } from '../store/fixtures/project.ts'

const option = (bits: number, group = ''): Option => ({
  ...{ id: bits === 32 ? 'keep' : `rtn-${bits}${group}`, method: bits === 32 ? 'keep' : 'rtn', bits, parameters: {} },
})
const sparse: Option = { id: 'wanda-50', method: 'wanda', bits: 3, parameters: { sparsity: 0.5, width: 4 } }

function layer(name: string, parameters: number, offered: readonly Option[], perBit: number): PlanLayer {
  const bytes = offered.map(({ bits }) => (parameters * bits) / 8)
  return {
    ...{ name, parameters },
    options: offered.map((each, i) => ({ ...each, bytes: bytes[i] ?? 0 })),
    bytes: Float64Array.from(bytes),
    loss: Float64Array.from(offered, ({ bits }) => (bits === 32 ? 0 : 4 ** -bits)),
    standardError: new Float64Array(offered.length),
    seconds: Float64Array.from(offered, ({ bits }) => bits * perBit),
  }
}
const all = [2, 3, 4, 8, 32].map((bits) => option(bits))
const layers = [
  layer('a', 8_000, [...all, sparse], 1e-3),
  layer('b', 8_000, all, 1e-3),
  layer(
    'c',
    800,
    [3, 8, 32].map((bits) => option(bits)),
    1e-3,
  ),
]
const model: PlanModel = {
  subject: {
    row: { ...{ name: 'tiny', device: 'cpu', dataSet: null, format: null }, checkpoint: summary.fingerprint, methods: plainMethods }, // prettier-ignore
    checkpoint: { path: summary.path, relativePath: '', summary: { ...summary, blocks: 2 } },
    ...{ dataSet: null, data: '' },
  },
  ...{ format: 'onnx', methods: plainMethods, baseBytes: 1_000, layers, widths: [2, 3, 4, 8, 32] },
  ...{
    calibration: calibrate([{ predicted: 0.01, measured: 0.02 }], 0.35),
    source: 'a test',
    baseSeconds: 0,
    pairs: [],
  },
  ...{ removed: [], removedLoss: 0, removedError: 0, shorter: [], qualities: [], recipes: [] },
  running: { cachePerToken: 64, activations: 1_000, attentionPerToken: 0 },
}
const wishes = (more: Partial<Constraints>, locked: Record<string, string> = {}) => ({
  locked,
  constraints: { ...noConstraints, ...more },
})
const uniform = (budget: Parameters<typeof solvePlan>[1]['budget'], asked = wishes({})) =>
  solvePlan(model, { budget, uniform: true, ...asked })
const bitsOf = (plan: ReturnType<typeof uniform>) => plan.layers.map(({ bits }) => bits)
function refused(solve: () => unknown): Fault {
  try {
    solve()
  } catch (error) {
    if (error instanceof Fault) return error
  }
  throw new Error('nothing was refused')
}

test('one width holds every constraint: floors, ceilings, locks, alike, levers', () => {
  expect(bitsOf(uniform({ bits: 4 }))).toEqual([4, 4, 3])
  expect(bitsOf(uniform({ bits: 4 }, wishes({ floors: { a: 8 } })))).toEqual([8, 4, 3])
  expect(bitsOf(uniform({ bits: 8 }, wishes({ ceilings: { a: 3, c: 3 } })))).toEqual([3, 8, 3])
  expect(bitsOf(uniform({ bits: 4 }, wishes({}, { a: 'wanda-50', b: 'rtn-8' })))).toEqual([3, 8, 3])
  // c has no 4 bits, so that b goes with it.
  expect(bitsOf(uniform({ bits: 4 }, wishes({ alike: [['b', 'c']] })))).toEqual([4, 3, 3])
  expect(bitsOf(uniform({ bytes: 1e9 }, wishes({ only: ['sparsity'] })))).toEqual([32, 32, 32])
})

test('what the constraints leave is the same for one width as for a mix: seeded wishes', () => {
  const seed = 5
  let state = seed
  const below = (n: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * n)
  }
  const bits = [2, 3, 4, 8, 32]
  let held = 0
  for (let round = 0; round < 300; round++) {
    const floors: Record<string, number> = below(2) ? { a: bits[below(5)] ?? 2 } : {}
    const ceilings: Record<string, number> = below(2) ? { [below(2) ? 'a' : 'b']: bits[below(5)] ?? 2 } : {}
    const alike = below(3) === 0 ? [['a', 'b']] : []
    const asked = wishes({ floors, ceilings, alike }, below(4) === 0 ? { c: 'rtn-3' } : {})
    let space: Space | undefined
    try {
      space = spacesOf(model, asked).spaces[0]
    } catch {
      expect(() => uniform({ bits: 4 }, asked), `seed ${seed}, round ${round}`).toThrow(Fault)
      continue
    }
    if (!space) throw new Error('no space')
    const chosen = Array.from(uniformIn(space, 4), (at, i) => layers[i]?.options[at]?.bits ?? 0)
    held++
    for (const [i, { name }] of layers.entries()) {
      const where = `seed ${seed}, round ${round}, ${name}`
      expect(chosen[i], where).toBeGreaterThanOrEqual(floors[name] ?? 0)
      expect(chosen[i], where).toBeLessThanOrEqual(ceilings[name] ?? 32)
    }
    if (alike.length > 0) expect(chosen[0]).toBe(chosen[1])
  }
  expect(held).toBeGreaterThan(50)
})

test('contradictions are named with what comes nearest', () => {
  const both = refused(() => uniform({ bits: 4 }, wishes({ floors: { a: 8 }, ceilings: { a: 4 } })))
  expect(both).toMatchObject({ code: 'infeasible', data: { tensor: 'a', bounds: ['floor', 'ceiling'] } })
  expect(both.hint).toMatch(/rtn-4 \(4 bits\) or rtn-8 \(8 bits\)/)
  const lock = refused(() => uniform({ bits: 4 }, wishes({ floors: { b: 4 } }, { b: 'rtn-2' })))
  expect(lock.message).toBe('Nothing is left for b: locked to rtn-2 and at least 4 bits.')
  expect(refused(() => uniform({ bits: 4 }, wishes({ alike: [['b', 'c']], ceilings: { b: 2 } }))).message).toMatch(
    /b, c are to take one option, but none is open/,
  )
  const onlyLevers = wishes({ only: ['bits', 'sparsity'], ceilings: { a: 3.5 }, floors: { a: 3.5 } })
  expect(refused(() => uniform({ bits: 4 }, onlyLevers)).message).toMatch(/by bits, sparsity alone/)
  expect(refused(() => uniform({ bits: 1 })).message).toMatch(/narrow as 1 bits; the narrowest is 2/)
  expect(refused(() => uniform({ bits: 4 }, wishes({ keepBlocks: [7] }))).message).toMatch(/Block 7 .*network has 2/)
})

test('limits that no width keeps to: each with the nearest width and what it comes to', () => {
  const small = refused(() => uniform({ bytes: 3_000 }))
  expect(small.message).toMatch(/No single width keeps to 3000 bytes; the smallest takes 5300 bytes \(2 bits\)/)
  expect(small.data).toMatchObject({ bounds: ['maxBytes'], nearest: { maxBytes: { bytes: 5_300 } } })
  // Within the time only 2 bits are left, which lose too much.
  const late = refused(() => uniform({ bytes: 1e9 }, wishes({ maxLoss: 0.001, maxSeconds: 0.0075 })))
  expect(late.message).toMatch(/with the other limits kept/)
  expect(late.data).toMatchObject({ bounds: ['maxLoss', 'maxSeconds'] })
})

test('a mix that cannot be is refused in the units that were asked in', () => {
  const mix = (budget: Parameters<typeof solvePlan>[1]['budget'], more: Partial<Constraints> = {}) =>
    refused(() => solvePlan(model, { budget, uniform: false, ...wishes(more) }))
  const lossy = mix({ bytes: 6_000 }, { maxLoss: 0.001 })
  // A variant lost twice of what was predicted: what is asked for counts after that.
  expect(lossy.message).toContain('a loss of 0.001')
  const nearest = lossy.data?.nearest as { maxLoss?: { loss: number } }
  const allowed = solvePlan(model, {
    ...{ budget: { bytes: 6_000 }, uniform: false },
    ...wishes({ maxLoss: (nearest.maxLoss?.loss ?? 0) * (1 + 1e-6) }),
  })
  expect(allowed.predicted.bytes).toBeLessThanOrEqual(6_000)
  const memory = mix({ memory: 5_000, context: 16 })
  expect(memory.hint).toMatch(/In memory that is 7824 bytes/)
})

test('a time limit without times is refused before anything is chosen', () => {
  const untimed = { ...model, layers: layers.map(({ seconds: _, ...each }) => each) }
  const asked = { budget: { bits: 4 }, ...wishes({ maxSeconds: 1 }) }
  for (const flat of [true, false])
    expect(refused(() => solvePlan(untimed, { ...asked, uniform: flat })).message).toMatch(/How long a takes/)
})

test('a loss without bound is none, also after variants were measured', () => {
  const measured = [0.01, 0.02, 0.1].map((predicted) => ({ predicted, measured: predicted ** 0.8 }))
  const tilted = { ...model, calibration: calibrate(measured, 0.35) }
  const smallest = solvePlan(tilted, { budget: { loss: Number.MAX_VALUE }, uniform: false, locked: {} })
  expect(smallest.predicted.bytes).toBe(5_300)
})
