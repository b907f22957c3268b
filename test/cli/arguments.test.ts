import { expect, test } from 'vitest'
import { parseRange } from '../../src-main/cli/program.ts'
import { spread } from '../../src-main/cli/verbs/front.ts'
import { budgetOf } from '../../src-main/cli/verbs/plan.ts'

test.each([
  ['2..8', [2, 8]],
  ['3', [3, 3]],
  ['2.5..4.25', [2.5, 4.25]],
  ['8..8', [8, 8]],
  ['1.5..8.5', [1.5, 8.5]],
])('the range %s', (words, range) => expect(parseRange(words)).toEqual(range))

test.each([
  '',
  '8..2',
  '0..8',
  '2..17',
  '2...8',
  '2..',
  '..8',
  '-2..8',
  '2..8 ',
  'two',
  '2e0..8',
  '2,8',
  'NaN',
  '2..8..9',
])('no range: "%s"', (words) => expect(() => parseRange(words)).toThrow('expected a range such as 2..8'))

test('budgets are spread evenly, ends included', () => {
  expect(spread([2, 8], 4)).toEqual([2, 4, 6, 8])
  expect(spread([2, 3], 4)).toEqual([2, 2.3333, 2.6667, 3])
  expect(spread([2, 8], 1)).toEqual([2])
  expect(spread([3, 3], 2)).toEqual([3, 3])
})

test('a budget is bits or bytes, one of them', () => {
  expect(budgetOf({ bits: 4.5 })).toEqual({ bits: 4.5 })
  expect(budgetOf({ bytes: 100_000 })).toEqual({ bytes: 100_000 })
  for (const both of [{}, { bits: 4, bytes: 1 }]) expect(() => budgetOf(both)).toThrow('one of them')
})
