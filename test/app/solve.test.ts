import { expect, test } from 'vitest'
import { calibrate } from '../../src-main/app/calibrate.ts'
import {
  bytesAtBits,
  choiceOf,
  type PlanLayer,
  type PlanModel,
  total,
  uniformChoice,
} from '../../src-main/app/plan-model.ts'
import { spacesOf } from '../../src-main/app/plan-space.ts'
import { isUniform, planFor, solvePlan } from '../../src-main/app/solve.ts'
import { noConstraints, type Option, plainMethods } from '../../src-preload/contract/plan.ts'
import { uniform } from '../engine/kernels/random.ts'
import { summary } from '../store/fixtures/project.ts'

const widths = [2, 3, 4, 8, 32]
const option = (bits: number): Option => ({
  id: bits === 32 ? 'keep' : `rtn-${bits}`,
  method: bits === 32 ? 'keep' : 'rtn',
  bits,
  parameters: {},
})
/** A layer whose loss falls four times with each bit. */
const layer = (name: string, parameters: number, weight: number): PlanLayer => ({
  name,
  parameters,
  options: widths.map((bits) => ({ ...option(bits), bytes: (parameters * bits) / 8 })),
  bytes: Float64Array.from(widths, (bits) => (parameters * bits) / 8),
  loss: Float64Array.from(widths, (bits) => (bits === 32 ? 0 : weight * 4 ** -bits)),
  standardError: new Float64Array(widths.length),
})
const model = (layers: PlanLayer[]): PlanModel => ({
  subject: {
    row: {
      name: 'tiny',
      device: 'cpu',
      checkpoint: summary.fingerprint,
      dataSet: null,
      format: null,
      methods: plainMethods,
    },
    checkpoint: { path: summary.path, relativePath: '', summary: { ...summary, blocks: 2 } },
    dataSet: null,
    data: '',
  },
  format: 'onnx',
  methods: plainMethods,
  baseBytes: 1_000,
  layers,
  widths,
  calibration: calibrate([], 0.35),
  source: 'a test',
  ...{ baseSeconds: 0, pairs: [] },
  ...{ removed: [], removedLoss: 0, removedError: 0, shorter: [], qualities: [], recipes: [] },
  running: { cachePerToken: 60, activations: 1_000, attentionPerToken: 4 },
})
const twice = calibrate(
  [0.1, 0.2, 0.3, 0.4, 0.5, 0.6].map((predicted) => ({ predicted, measured: 2 * predicted })),
  0.35,
)
const three = model([layer('a', 8_000, 10), layer('b', 8_000, 1), layer('c', 800, 100)])
const solve = (request: Partial<Parameters<typeof solvePlan>[1]>) =>
  solvePlan(three, { budget: { bits: 4 }, uniform: false, locked: {}, ...request })

test('a budget in bits is the size of that uniform width, and between two widths the line between', () => {
  expect(bytesAtBits(three, 4)).toBe(total(three, uniformChoice(three, 4)).bytes)
  expect(bytesAtBits(three, 3.5)).toBe((bytesAtBits(three, 3) + bytesAtBits(three, 4)) / 2)
  expect(bytesAtBits(three, 20)).toBe((bytesAtBits(three, 8) + bytesAtBits(three, 32)) / 2)
  expect(bytesAtBits(three, 1)).toBeLessThan(bytesAtBits(three, 2))
})

test('the mix is never worse than the uniform width of the same bytes, and fits', () => {
  for (const bits of [2, 2.5, 3, 4, 6, 8, 32]) {
    const [mixed, uniform] = [solve({ budget: { bits } }), solve({ budget: { bits }, uniform: true })]
    expect(mixed.predicted.bytes).toBeLessThanOrEqual(mixed.budgetBytes)
    expect(mixed.predicted.loss).toBeLessThanOrEqual(uniform.predicted.loss + 1e-15)
  }
  const { layers } = solve({})
  expect(layers.find(({ name }) => name === 'c')?.bits).toBe(8) // small and sensitive
})

test('a plan adds up: bytes, losses and its recipe', () => {
  const plan = solve({ budget: { bits: 3.2 } })
  const bytes = plan.layers.reduce((sum, each) => sum + each.bytes, 0)
  const loss = plan.layers.reduce((sum, each) => sum + each.loss, 0)
  expect(plan.predicted.bytes).toBe(1_000 + bytes)
  expect(plan.predicted.loss).toBeCloseTo(loss, 12)
  expect(plan.predicted.bitsPerWeight).toBeCloseTo((8 * bytes) / 16_800, 12)
  expect(total(three, choiceOf(three, plan.recipe)).bytes).toBe(plan.predicted.bytes)
  expect(plan.recipe.checkpoint.fingerprint).toBe(summary.fingerprint)
  expect(plan.predicted.source).toMatch(/the interval is a guess/)
  // Where measured variants lost twice what was predicted, so does every layer.
  const told = solvePlan({ ...three, calibration: twice }, { budget: { bits: 3.2 }, uniform: false, locked: {} })
  expect(told.predicted.loss).toBeGreaterThan(1.5 * plan.predicted.loss)
  expect(told.layers.reduce((sum, each) => sum + each.loss, 0)).toBeCloseTo(told.predicted.loss, 12)
})

test('locks hold, and the rest makes room for them', () => {
  const plan = solve({ budget: { bits: 6 }, locked: { b: 'rtn-8' } })
  const found = plan.layers.find(({ name }) => name === 'b')
  expect(found).toMatchObject({ option: 'rtn-8', locked: true })
  expect(plan.predicted.bytes).toBeLessThanOrEqual(plan.budgetBytes)
  const uniform = solve({ budget: { bits: 4 }, uniform: true, locked: { b: 'rtn-8' } })
  expect(uniform.layers.map(({ bits }) => bits)).toEqual([4, 8, 4])
})

test('what cannot be is said with figures', () => {
  expect(() => solve({ budget: { bytes: 2_000 } })).toThrow(/least possible is 5200 bytes/)
  expect(() => solve({ budget: { bits: 1 } })).toThrow(/No plan fits/)
  expect(() => solve({ budget: { bytes: 2_000 }, uniform: true })).toThrow(/smallest takes 5200/)
  expect(() => solve({ budget: { bits: 2 }, locked: { a: 'keep' } })).toThrow(/No plan fits/)
  expect(() => solve({ locked: { a: 'magic' } })).toThrow(/Cannot lock a/)
})

test('a recipe with an option that is not offered, or a stray layer, is refused by name', () => {
  const { recipe } = solve({})
  const odd = { ...option(4), id: 'gptq-4' }
  expect(() => choiceOf(three, { ...recipe, layers: [{ name: 'a', option: odd }] })).toThrow(/"gptq-4" for a/)
  expect(() => choiceOf(three, { ...recipe, layers: [{ name: 'z', option: option(4) }] })).toThrow(/names z/)
  expect(Array.from(choiceOf(three, { ...recipe, layers: [] }))).toEqual([4, 4, 4]) // not named: kept
})

test('widths of file types: every layer takes the nearest at or below, and is kept where that is as narrow', () => {
  const typed = (name: string, types: number[], kept: number): PlanLayer => {
    const options = [
      ...types.map((bits) => ({ ...option(bits), bytes: bits * 1_000 })),
      { ...option(32), bits: kept, bytes: kept * 1_000 },
    ]
    const loss = options.map(({ method, bits }) => (method === 'keep' ? 0 : 4 ** -bits))
    return {
      ...layer(name, 8_000, 1),
      options,
      bytes: Float64Array.from(options, ({ bytes }) => bytes),
      loss: Float64Array.from(loss),
    }
  }
  const mixed = {
    ...model([typed('a', [2.0625, 4.5, 8.5], 16), typed('b', [5, 8.5], 4.5)]),
    widths: [2.0625, 4.5, 5, 8.5, 16],
  }
  const at = (width: number) =>
    Array.from(uniformChoice(mixed, width), (chosen, i) => mixed.layers[i]?.options[chosen]?.id)
  expect(at(4.5)).toEqual(['rtn-4.5', 'keep'])
  expect(at(4.9)).toEqual(['rtn-4.5', 'keep'])
  expect(at(2.5)).toEqual(['rtn-2.0625', 'keep']) // nothing of b is as narrow: its smallest
  expect(at(8.5)).toEqual(['rtn-8.5', 'rtn-8.5'])
  expect(bytesAtBits(mixed, 3)).toBeGreaterThan(bytesAtBits(mixed, 2.0625))
  const plan = solvePlan(mixed, { budget: { bits: 4.75 }, uniform: false, locked: {} })
  expect(plan.predicted.bytes).toBeLessThanOrEqual(plan.budgetBytes)
  expect(plan.predicted.averageBits).toBe(4.5)
})

test('uniform is told from mixed', () => {
  expect(isUniform(three, uniformChoice(three, 3))).toBe(true)
  expect(isUniform(three, Int32Array.from([1, 1, 2]))).toBe(false)
})

test('the smallest file under a loss: it keeps to it, and a smaller one does not', () => {
  for (const loss of [0.05, 0.5, 2]) {
    const plan = solve({ budget: { loss } })
    expect(plan.predicted.loss).toBeLessThanOrEqual(loss * (1 + 1e-9))
    const smaller = solve({ budget: { bytes: plan.predicted.bytes - 1 } })
    expect(smaller.predicted.loss).toBeGreaterThan(loss)
  }
  const { budget } = solve({ budget: { lose: 0.05 } })
  expect(budget).toMatch(/5.00 % of (perplexity|accuracy) lost.*a guess: nothing measured yet/)
})

test('under a memory budget no layer takes a width that the runtime unpacks', () => {
  const budget = { memory: 8_500, context: 16 }
  const bits = (plan: ReturnType<typeof solve>) => plan.layers.map((each) => each.bits)
  const within = solve({ budget })
  expect(bits(solve({ budget: { bytes: within.budgetBytes } }))).toContain(3)
  expect(bits(within)).not.toContain(3)
  expect(within.budget).toContain('unpacks')
  expect(solvePlan({ ...three, format: 'gguf' }, { budget, uniform: false, locked: {} }).budget).not.toContain(
    'unpacks',
  )
  expect(() => solve({ budget, locked: { a: 'rtn-3' } })).toThrow(/locked to rtn-3 and packed in memory/)
})

test('memory for a context leaves the rest to the weights', () => {
  const plan = solve({ budget: { memory: 9_000, context: 16 } })
  expect(plan.budgetBytes).toBe(9_000 - 1_000 - 16 * 64)
  expect(() => solve({ budget: { memory: 1_500, context: 16 } })).toThrow(/activations and cache alone take 2024/)
})

test('floors, ceilings and layers that go alike', () => {
  const wishes = (more: object) => ({ constraints: { ...noConstraints, ...more } })
  const bitsOf = (plan: ReturnType<typeof solve>) => plan.layers.map(({ bits }) => bits)
  expect(bitsOf(solve({ budget: { bits: 3.5 }, ...wishes({ floors: { b: 4 } }) }))[1]).toBeGreaterThanOrEqual(4)
  expect(bitsOf(solve({ budget: { bits: 8 }, ...wishes({ ceilings: { a: 3 } }) }))[0]).toBeLessThanOrEqual(3)
  const [a, b] = bitsOf(solve({ budget: { bits: 3.5 }, ...wishes({ alike: [['a', 'b']] }) }))
  expect(a).toBe(b)
  expect(() => solve(wishes({ floors: { a: 4 }, ceilings: { a: 3 } }))).toThrow(/Nothing is left for a/)
  expect(() => solve(wishes({ alike: [['a', 'q']] }))).toThrow(/names q/)
})

test('blocks are left out where that costs less than bits at the same bytes, and not where they must stay', () => {
  const [a, b, c] = three.layers as [PlanLayer, PlanLayer, PlanLayer]
  const deep = { ...three, shorter: [{ ...model([a, c]), removed: [1], removedLoss: 0.01 }] }
  const request = { budget: { bytes: 8_000 }, uniform: false, locked: {} }
  const plan = solvePlan(deep, request)
  expect(plan.removed).toEqual([1])
  expect(plan.layers.map(({ name }) => name)).toEqual(['a', 'c'])
  expect(plan.predicted.loss).toBeLessThan(solvePlan(three, request).predicted.loss)
  const kept = solvePlan(deep, { ...request, constraints: { ...noConstraints, keepBlocks: [1] } })
  expect(kept.removed).toEqual([])
  expect(solvePlan(deep, { ...request, locked: { [b.name]: 'rtn-2' } }).removed).toEqual([])
})

test('another allocator is taken by name, one that is not known is refused', async () => {
  const request = { budget: { bits: 3 }, uniform: false, locked: {} }
  const exact = await planFor(three, request)
  const program = await planFor(three, { ...request, allocator: 'integer-program' })
  expect(program.allocator).toBe('integer-program')
  expect(program.predicted.loss).toBeCloseTo(exact.predicted.loss, 9)
  await expect(planFor(three, { ...request, allocator: 'magic' })).rejects.toThrow(/no allocator "magic"/)
})

test('a time limit holds for one width, too', () => {
  const timed = three.layers.map((each) => ({ ...each, seconds: each.options.map(({ bits }) => bits / 1_000) }))
  const slow = { ...three, layers: timed.map((each) => ({ ...each, seconds: Float64Array.from(each.seconds) })) }
  const constraints = { ...noConstraints, maxSeconds: 0.012 } // three layers of 4 bits
  const plan = solvePlan(slow, { budget: { bytes: 1e9 }, uniform: true, locked: {}, constraints })
  expect(plan.layers.map(({ bits }) => bits)).toEqual([4, 4, 4])
})

test('where pairs are counted, an allocator that does not know them proves nothing', async () => {
  const coupled = { ...three, pairs: [{ a: 0, b: 1, rho: 0.5 }] }
  const request = { budget: { bits: 3 }, uniform: false, locked: {} }
  expect((await planFor(coupled, request)).allocator).toBe('pairwise')
  expect((await planFor(coupled, request)).optimal).toBe(true) // a block this small is solved exactly
  expect((await planFor(coupled, { ...request, allocator: 'knapsack' })).optimal).toBe(false)
  expect((await planFor(three, { ...request, allocator: 'knapsack' })).optimal).toBe(true)
})

test('the genetic search learns from measured variants, and the plan says so (seed 11)', async () => {
  const layers = Array.from({ length: 6 }, (_, i) => layer(`l${i}`, 8_000, 1 + i))
  const plain = model(layers)
  // What the sum does not know: two bits anywhere cost a tenth, three bits ten times as much.
  const next = uniform(11)
  const recipes = Array.from({ length: 60 }, () => {
    const choice = Int32Array.from(layers, () => Math.floor(4 * next()))
    const loss = layers.reduce((sum, each, i) => {
      const option = choice[i] ?? 0
      return sum + (each.loss[option] ?? 0) * (option === 0 ? 0.1 : option === 1 ? 10 : 1)
    }, 0)
    return { options: new Map(layers.map(({ name, options }, i) => [name, options[choice[i] ?? 0]?.id ?? ''])), loss }
  })
  const request = { budget: { bits: 3 }, uniform: false, locked: {}, allocator: 'genetic' }
  const [taught, untaught] = [await planFor({ ...plain, recipes }, request), await planFor(plain, request)]
  expect(untaught.predicted.source).not.toContain('judged by')
  expect(taught.predicted.source).toContain('judged by')
  expect(taught.predicted.source).toContain('60 measured variants')
  const threes = (plan: typeof taught) => plan.layers.filter(({ bits }) => bits === 3).length
  expect(threes(taught)).toBeLessThan(threes(untaught))
  expect(taught.optimal).toBe(false)
  // What it foretells is nearer to what measuring would find than the sum is.
  const chosen = choiceOf(plain, taught.recipe)
  const truth = layers.reduce((sum, { loss }, i) => {
    const at = chosen[i] ?? 0
    return sum + (loss[at] ?? 0) * (at === 0 ? 0.1 : at === 1 ? 10 : 1)
  }, 0)
  const off = (loss: number) => Math.abs(Math.log(loss / truth))
  expect(off(taught.predicted.loss)).toBeLessThan(0.5 * off(total(plain, chosen).loss))
})

test('measured variants reach a search as choices of what it chooses for, without what left-out blocks cost', () => {
  const recipe = (options: Record<string, string>, loss: number) => ({
    options: new Map(Object.entries(options)),
    loss,
  })
  const recipes = [
    recipe({ a: 'rtn-3', b: 'rtn-3', c: 'rtn-2' }, 0.5),
    recipe({ a: 'rtn-3', b: 'rtn-4', c: 'rtn-2' }, 0.5), // a and b are to go alike
    recipe({ a: 'rtn-8', b: 'rtn-8' }, 0.3), // c is kept
    recipe({ a: 'rtn-2', b: 'rtn-2' }, 0.01), // less than leaving the block out alone
  ]
  const shorter = { ...three, recipes, removed: [1], removedLoss: 0.05 }
  const deep = { ...three, calibration: twice, shorter: [shorter] }
  const { spaces } = spacesOf(deep, { locked: {}, constraints: { ...noConstraints, alike: [['a', 'b']] } })
  const { groups, configuration } = spaces[1] as (typeof spaces)[number]
  expect(groups.map(({ ids }) => ids.length)).toEqual([5, 5])
  const measured = configuration.problem.measured ?? []
  expect(measured.map(({ choice }) => [...choice])).toEqual([
    [1, 0],
    [3, 4],
  ])
  // In the unit of the layers' losses, before the calibration of the network that is planned for.
  const told = measured.map(({ loss }) => deep.calibration.predict(loss + 0.05).loss)
  expect(told[0]).toBeCloseTo(0.5, 9)
  expect(told[1]).toBeCloseTo(0.3, 9)
})

test('a measured variant whose options are not offered now teaches nothing', async () => {
  const layers = [layer('a', 8_000, 10), layer('b', 8_000, 1)]
  const recipes = Array.from({ length: 8 }, () => ({ options: new Map([['a', 'gone'], ['b', 'rtn-2']]), loss: 1 })) // prettier-ignore
  const plan = await planFor({ ...model(layers), recipes }, { budget: { bits: 3 }, uniform: false, locked: {}, allocator: 'genetic' }) // prettier-ignore
  expect(plan.predicted.source).not.toContain('judged by')
})

test('an allocator that nobody knows is refused by name, for one width too', async () => {
  for (const uniform of [true, false])
    await expect(planFor(three, { budget: { bits: 4 }, uniform, locked: {}, allocator: 'magic' })).rejects.toThrow(
      'There is no allocator "magic"',
    )
})
