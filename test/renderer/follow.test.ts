import { expect, test } from 'vitest'
import { bitsAtBytes, bytesAtBits, createFollower, predict } from '../../src-renderer/features/plan/follow.ts'
import type { Follow } from '../../src-preload/contract/follow.ts'
import {
  constraintLines,
  withAlike,
  withBlockKept,
  withBounds,
  withFloor,
} from '../../src-renderer/features/plan/constraints.ts'
import { leverRows, usualUse, withLever } from '../../src-renderer/features/plan/levers.ts'
import { budgetIn, modeChoices, modeOf } from '../../src-renderer/features/plan/budgetModes.ts'
import { noConstraints, plainMethods } from '../../src-preload/contract/plan.ts'
import { follow } from './helpers/front.ts'
import * as made from './helpers/network.ts'

const options = new Map(made.options.map((row) => [row.name, row.options]))
const parameters = new Map(made.layers.map((row) => [row.name, row.parameters]))
const parametersOf = (name: string): number => parameters.get(name) ?? 0
const followerOf = (answer: Follow, locked = {}) => createFollower(answer, options, parametersOf, locked)

test('what the hand sees fits the budget, adds up, and is as good as the plan that is solved, but for a step', () => {
  const answer = follow({})
  const follower = followerOf(answer)
  const steps = answer.walks[0]?.loss.map((loss) => -loss) ?? []
  for (const bits of [2, 2.37, 3, 4.05, 5.5, 7.9]) {
    const bytes = follower.bytesOf({ bits }) ?? 0
    const [seen, solved] = [follower.at(bytes), made.solve({ bits }, {})]
    expect(seen.predicted.bytes).toBeLessThanOrEqual(bytes)
    const sum = seen.layers.reduce((total, layer) => total + layer.bytes, made.baseBytes)
    expect(seen.predicted.bytes).toBeCloseTo(sum, 6)
    const loss = seen.layers.reduce((total, layer) => total + layer.loss, 0)
    expect(seen.predicted.loss / loss).toBeCloseTo(1, 9)
    expect(seen.predicted.loss).toBeLessThanOrEqual(solved.predicted.loss + Math.max(...steps) + 1e-12)
    expect(seen.recipe).toBeNull()
  }
})

test('a smaller budget than the smallest plan shows the smallest plan', () => {
  const plan = followerOf(follow({})).at(10)
  expect(new Set(plan.layers.map(({ option }) => option))).toEqual(new Set(['rtn-2-g32']))
})

test('locked layers stay', () => {
  const locked = { 'lm_head.weight': 'rtn-8-g32' }
  const plan = followerOf(follow(locked), locked).at(2e6)
  expect(plan.layers.find(({ name }) => name === 'lm_head.weight')).toMatchObject({ option: 'rtn-8-g32', locked: true })
  expect(plan.layers.filter((layer) => layer.locked).length).toBe(1)
})

test('of several networks the one with the least loss within the budget is shown', () => {
  const answer = follow({})
  const [whole] = answer.walks
  if (!whole) throw new Error('no walk')
  const shorter = { ...whole, removed: [3], baseBytes: -600_000, baseLoss: 0.05 } // cheaper, and at once lossy
  const both = followerOf({ ...answer, walks: [whole, shorter] })
  const at = (bits: number) => both.at(both.bytesOf({ bits }) ?? 0).removed
  expect([at(2.2), at(7)]).toEqual([[3], []])
})

test('widths and bytes are each other’s inverse, between widths and below the narrowest', () => {
  const scale = follow({})
  for (const bits of [1, 2, 2.5, 4.05, 7.99, 20])
    expect(bitsAtBytes(scale, bytesAtBits(scale, bits) ?? 0)).toBeCloseTo(bits, 9)
  expect(bytesAtBits({ scale: [], baseBytes: 0 }, 4)).toBeNull()
})

test('a loss is asked for: the first plan on the way that loses no more', () => {
  const follower = followerOf(follow({}))
  const bytes = follower.bytesOf({ loss: 0.05 }) ?? 0
  expect(follower.at(bytes).predicted.loss).toBeLessThanOrEqual(0.05)
  expect(follower.at(bytes * 0.97).predicted.loss).toBeGreaterThan(0.05)
  expect(follower.bytesOf({ lose: 0.05 })).toBeNull() // Lathe alone can tell
})

test('predictions lie on straight lines of logarithms', () => {
  const points = [
    { sum: 1, loss: 2, low: 1, high: 4 },
    { sum: 100, loss: 200, low: 100, high: 400 },
  ]
  expect(predict(points, 10).loss).toBeCloseTo(20, 9)
  expect(predict(points, 0.1)).toEqual({ loss: 0.2, low: 0.1, high: 0.4 })
  expect(predict(points, 1000).high).toBeCloseTo(4000, 6)
  expect(predict([], 1)).toEqual({ loss: 0, low: 0, high: 0 })
})

test('constraints are added, told in words, and taken away one by one', () => {
  const floor = withFloor(noConstraints, 'a', 4)
  const alike = withAlike(floor, ['a', 'b', 'c'])
  const all = withBlockKept({ ...alike, maxLoss: 0.05 }, 2, true)
  const lines = constraintLines(all)
  expect(lines.map(({ words }) => words)).toEqual([
    'a, b and 1 more get the same option',
    'a has at least 4 bits',
    'Block 2 is not removed',
    'Predicted KL divergence at most 0.0500 nats',
  ])
  for (const line of lines) expect(constraintLines(line.without).length).toBe(3)
  const many = withBounds(withFloor(noConstraints, 'd', 6), 'floors', ['a', 'b', 'c'], 4)
  expect(constraintLines(many).map(({ words }) => words)).toEqual([
    'd has at least 6 bits',
    'a, b and 1 more have at least 4 bits',
  ])
  expect(constraintLines(many)[1]?.without.floors).toEqual({ d: 6 })
  expect(withAlike(alike, ['c', 'd']).alike).toEqual([
    ['a', 'b'],
    ['c', 'd'],
  ]) // a layer is in one group
  expect(withFloor(floor, 'a', null)).toEqual(noConstraints)
})

const known = [
  { id: 'wanda', family: 'sparsify' as const, title: 'Wanda' },
  { id: 'svd', family: 'factorize' as const, title: 'SVD' },
].map((method) => ({
  ...{ summary: '', cite: '', formula: '', cost: '', needs: [], version: 1, parameters: {} },
  ...method,
}))

test('levers are switched on and off without touching the others', () => {
  const rows = leverRows(plainMethods, known, 8)
  expect(rows.map(({ lever, closed }) => [lever, closed === null])).toEqual([
    ['bits', true],
    ['sparsity', true],
    ['rank', true],
    ['depth', true],
  ])
  const [, sparsity, , depth] = rows
  if (!sparsity || !depth) throw new Error('no lever')
  const one = withLever(plainMethods, sparsity, usualUse(sparsity, 8))
  expect(one.levers).toEqual([{ method: 'wanda', parameters: {} }])
  const two = withLever(one, depth, usualUse(depth, 8))
  expect(two.levers?.[1]).toEqual({ method: 'remove-blocks', parameters: { most: 2 } })
  const again = leverRows(two, known, 8)[1]
  expect(again && withLever(two, again, null).levers).toEqual([two.levers?.[1]])
  expect(withLever(one, leverRows(one, known, 8)[1] ?? sparsity, null)).toEqual(plainMethods) // as it was: nothing left over
  expect(leverRows(plainMethods, [], 0).map(({ closed }) => closed === null)).toEqual([true, false, false, false])
})

test('a budget is asked for in another way where the plan stands', () => {
  const plan = made.solve({ bits: 4 }, {})
  for (const mode of ['bits', 'bytes', 'loss', 'lose', 'perSecond', 'memory'] as const)
    expect(modeOf(budgetIn(mode, plan, 4, '512'))).toBe(mode)
  expect(budgetIn('memory', plan, 4, '512')).toMatchObject({ context: 512 })
  // What lies beside the weights is counted, so that the plan that stands fits.
  const running = { cachePerToken: 1000, activations: 5e6, attentionPerToken: 2000 }
  const memory = budgetIn('memory', plan, 4, '512', running)
  expect('memory' in memory && memory.memory).toBeGreaterThan(5e6 + 512 * 3000 + plan.predicted.bytes - 1)
  const disabled = (task: 'causal-lm' | 'image-classification' | 'none') =>
    modeChoices(plan, { task }).flatMap(({ value, disabled: is }) => (is ? [value] : []))
  expect(disabled('causal-lm')).toEqual(['perSecond']) // no times measured
  expect(disabled('image-classification')).toEqual(['perSecond', 'memory'])
  expect(disabled('none')).toEqual(['lose', 'perSecond', 'memory'])
})
