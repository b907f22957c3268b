import { expect, test } from 'vitest'
import { parseRange } from '../../src-main/cli/program.ts'
import { spread } from '../../src-main/cli/verbs/front.ts'
import { budgetOf, constraintsOf } from '../../src-main/cli/budget.ts'

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

test('further budgets: loss, share lost, speed, and memory with a context', () => {
  expect(budgetOf({ loss: 0.02 })).toEqual({ loss: 0.02 })
  expect(budgetOf({ lose: 5 })).toEqual({ lose: 0.05 })
  expect(budgetOf({ perSecond: 30 })).toEqual({ perSecond: 30 })
  expect(budgetOf({ memory: 1e9, context: 4096 })).toEqual({ memory: 1e9, context: 4096 })
  expect(() => budgetOf({ memory: 1e9 })).toThrow('--memory needs --context')
  expect(() => budgetOf({ bits: 4, loss: 1 })).toThrow('one of them')
})

const layers = ['layers.0.q', 'layers.0.down', 'layers.1.q', 'layers.1.down']

test('constraints name layers by a part of their name', () => {
  const asked = { floor: ['down=5'], ceiling: ['layers.0.q=3'], alike: ['.q'], keepBlock: ['1'], maxLoss: 0.1 }
  expect(constraintsOf(asked, layers)).toMatchObject({
    floors: { 'layers.0.down': 5, 'layers.1.down': 5 },
    ceilings: { 'layers.0.q': 3 },
    alike: [['layers.0.q', 'layers.1.q']],
    ...{ keepBlocks: [1], maxLoss: 0.1, maxSeconds: null },
  })
})

test.each([
  [{ floor: ['up=5'] }, '--floor up: no layer is called so.'],
  [{ floor: ['down'] }, '--floor down: expected layer=bits'],
  [{ ceiling: ['down='] }, '--ceiling down=: expected layer=bits'],
  [{ alike: ['layers.0.q'] }, 'only layers.0.q is called so'],
  [{ keepBlock: ['first'] }, '--keep-block first: blocks are numbered from 0'],
])('a constraint that says nothing is refused: %o', (asked, words) => {
  expect(() => constraintsOf(asked, layers)).toThrow(words)
})
