import { expect, test } from 'vitest'
import { followOf } from '../../src-main/app/follow.ts'
import type { PlanModel } from '../../src-main/app/plan-model.ts'
import { calibrate } from '../../src-main/app/calibrate.ts'
import { noConstraints } from '../../src-preload/contract/plan.ts'

const bits = [2, 4, 8]
const layer = (name: string, weights: number, need: number) => {
  const options = bits.map((each) => ({
    ...{ id: `o${each}`, method: 'rtn', bits: each, parameters: {} },
    bytes: (weights * each) / 8,
  }))
  return {
    ...{ name, parameters: weights, options },
    bytes: Float64Array.from(options, (option) => option.bytes),
    loss: Float64Array.from(bits, (each) => need * 4 ** -each),
    standardError: new Float64Array(bits.length),
  }
}
const model = (names: string[], removed: number[] = [], removedLoss = 0): PlanModel =>
  ({
    ...{ format: 'onnx', baseBytes: 100, widths: bits, source: 'a test', removed, removedLoss, removedError: 0 },
    ...{ shorter: [], pairs: [], baseSeconds: 0, qualities: [], recipes: [], calibration: calibrate([], 0.3) },
    layers: names.map((name, i) => layer(name, 800 * (1 + i), 3 ** i)),
  }) as unknown as PlanModel
const kept = { locked: {}, constraints: noConstraints }

test('a walk begins with the smallest choice and ends with the least loss, each step saving less per byte', () => {
  const { walks, ids, predict } = followOf(model(['a', 'b', 'c']), kept)
  const [walk] = walks
  expect(walk?.start.map((id) => ids[id])).toEqual(['o2', 'o2', 'o2'])
  expect(walk?.startBytes).toBe((2 / 8) * (800 + 1600 + 2400))
  const gains = walk?.loss.map((loss, k) => -loss / (walk.bytes[k] ?? 1)) ?? []
  expect(gains.length).toBe(6)
  expect(gains).toEqual([...gains].sort((a, b) => b - a))
  expect((walk?.startLoss ?? 0) + (walk?.loss.reduce((a, b) => a + b, 0) ?? 0)).toBeCloseTo(13 * 4 ** -8, 12)
  const sums = predict.map(({ sum }) => sum)
  expect(sums).toEqual([...sums].sort((a, b) => a - b))
})

test('locks, floors, ceilings and groups hold on the whole walk', () => {
  const constraints = { ...noConstraints, floors: { b: 4 }, ceilings: { b: 4 }, alike: [['c', 'd']] }
  const { walks, ids } = followOf(model(['a', 'b', 'c', 'd']), { locked: { a: 'o8' }, constraints })
  const [walk] = walks
  const at = (name: string): number => walk?.layers.indexOf(name) ?? -1
  expect(['a', 'b'].map((name) => ids[walk?.start[at(name)] ?? -1])).toEqual(['o8', 'o4'])
  const moved = walk?.group.map((group) => walk.groups[group]?.map((i) => walk.layers[i]))
  expect(moved).toEqual([
    ['c', 'd'],
    ['c', 'd'],
  ])
})

test('a layer that is left no option is named', () => {
  const constraints = { ...noConstraints, floors: { b: 5 }, ceilings: { b: 7 } }
  expect(() => followOf(model(['a', 'b']), { locked: {}, constraints })).toThrow(/Nothing is left for b/)
})

test('networks with blocks left out have walks of their own, but for blocks that are kept', () => {
  const whole = { ...model(['a', 'b', 'c']), shorter: [model(['a', 'c'], [1], 0.1), model(['a'], [1, 2], 0.4)] }
  const found = followOf(whole, kept)
  expect(found.walks.map(({ removed, baseLoss }) => [removed, baseLoss])).toEqual([
    [[], 0],
    [[1], 0.1],
    [[1, 2], 0.4],
  ])
  const removed = (constraints: typeof noConstraints) =>
    followOf(whole, { locked: {}, constraints }).walks.map((walk) => walk.removed)
  expect(removed({ ...noConstraints, keepBlocks: [2] })).toEqual([[], [1]])
  expect(removed({ ...noConstraints, floors: { b: 4 } })).toEqual([[]]) // a layer that was decided about stays
})
