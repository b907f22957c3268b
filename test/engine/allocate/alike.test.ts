import { expect, test } from 'vitest'
import { tieLayers } from '../../../src-main/engine/allocate/alike.ts'
import { totalsOf } from '../../../src-main/engine/allocate/limits.ts'
import { choices, smallProblem } from './problems.ts'

const q = { ids: ['w2', 'w4', 'w8'], name: 'q', ...choices([[2, 5, 0.1], [4, 2, 0.2], [8, 0, 0.3]]) } // prettier-ignore
const k = { ids: ['w8', 'w4'], name: 'k', ...choices([[80, 1, 0.03], [40, 3, 0.02]]) } // prettier-ignore
const up = { ids: ['w4'], name: 'up', ...choices([[7, 7, 0.5]]) }
const v = { ids: ['w3'], name: 'v', ...choices([[30, 3, 0.02]]) }

test('a group has the options that all have, with summed bytes, loss and time', () => {
  const tied = tieLayers([up, q, k], [[2, 1]])
  expect(tied.members).toEqual([[0], [1, 2]])
  expect(tied.layers[0]).toBe(up)
  const [, group] = tied.layers
  expect(group?.ids).toEqual(['w4', 'w8'])
  expect([...(group?.bytes ?? [])]).toEqual([44, 88])
  expect([...(group?.loss ?? [])]).toEqual([5, 1])
  expect([...(group?.seconds ?? [])].map((s) => s.toFixed(3))).toEqual(['0.220', '0.330'])
  expect([...tied.expand([0, 1])]).toEqual([0, 2, 0]) // w8 is option 2 of q and option 0 of k
  expect([...tied.expand([0, 0])]).toEqual([0, 1, 1])
})

test('groups that share a layer are one; nothing tied changes nothing', () => {
  expect(tieLayers([q, k, up], [[0, 1], [1, 2]]).members).toEqual([[0, 1, 2]]) // prettier-ignore
  expect(tieLayers([q, k, up], [[2, 1], [0, 2]]).layers[0]?.ids).toEqual(['w4']) // prettier-ignore
  const free = tieLayers([q, k], [])
  expect(free.layers).toEqual([q, k])
  expect([...free.expand([2, 1])]).toEqual([2, 1])
})

test('a group without a common option is refused by name', () => {
  expect(() => tieLayers([q, v], [[0, 1]])).toThrow(
    expect.objectContaining({
      code: 'infeasible',
      message: expect.stringContaining('q, v are to take one option'),
      data: expect.objectContaining({ bounds: ['alike'], layers: ['q', 'v'] }),
    }),
  )
  expect(() => tieLayers([q], [[0, 4]])).toThrow(expect.objectContaining({ code: 'bad-arguments' }))
})

test('pairs within a group are kept exactly, pairs between groups keep their share (seed 11)', () => {
  const { layers: drawn } = smallProblem(11, { layers: 4 })
  const layers = drawn.map((_, i) => ({ ids: ['a', 'b'], ...choices([[10 + i, 2 + i], [20 + i, 0.5 * (2 + i)]]) })) // prettier-ignore
  const pairs = [
    { a: 0, b: 1, rho: 0.4 },
    { a: 1, b: 2, rho: -0.3 },
    { a: 3, b: 2, rho: 0.2 },
  ]
  const tied = tieLayers(layers, [[0, 1]], pairs)
  expect(tied.pairs).toHaveLength(2)
  for (const choice of [
    [0, 0, 0],
    [1, 0, 1],
    [1, 1, 0],
    [0, 1, 1],
  ]) {
    // prettier-ignore
    const merged = totalsOf({ layers: tied.layers, pairs: tied.pairs }, Int32Array.from(choice))
    const expanded = totalsOf({ layers, pairs }, tied.expand(choice))
    expect(merged.bytes).toBe(expanded.bytes)
    // Losses of the members fall alike here, so that their shares do not depend on the option; the group's own term is
    // part of its loss, and enters the root of the next pair: the one error of the merge, below a tenth of that term.
    expect(Math.abs(merged.loss - expanded.loss)).toBeLessThan(0.1 * Math.abs(expanded.loss))
  }
  // Without a pair inside a group the shares are exact here.
  const outer = tieLayers(layers, [[0, 1]], pairs.slice(1))
  for (const choice of [
    [0, 0, 0],
    [1, 0, 1],
    [1, 1, 0],
  ])
    // prettier-ignore
    expect(totalsOf(outer, Int32Array.from(choice)).loss).toBeCloseTo(
      totalsOf({ layers, pairs: pairs.slice(1) }, outer.expand(choice)).loss,
      10,
    )
})
