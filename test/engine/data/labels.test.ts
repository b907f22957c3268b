import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseCsv, readLabelArray, readLabelTable, shiftLabels } from '../../../src-main/engine/data/labels.ts'
import { npyBytes, scratch } from './fixtures.ts'

const table = (text: string) => {
  const path = join(scratch(), 'labels.csv')
  writeFileSync(path, text)
  return readLabelTable(path)
}

test('cells, quotes, empty lines and both kinds of line ends', () => {
  const rows = parseCsv('a,"b, ""c""",\r\n\n"x",,y', 'f').map((row) => row.cells)
  expect(rows).toEqual([
    ['a', 'b, "c"', ''],
    ['x', '', 'y'],
  ])
  expect(() => parseCsv('a,"b', 'f')).toThrow('line 1: quotes')
})

test('with a header columns may stand anywhere, without one they are file and label', () => {
  expect([...table('name,label,file\ncat,3,1.jpg')]).toEqual([['1.jpg', { label: 3, row: 'line 2' }]])
  expect([...table('1.jpg,3\n2.jpg,0')].map(([file, { label }]) => [file, label])).toEqual([
    ['1.jpg', 3],
    ['2.jpg', 0],
  ])
})

test.each([
  ['empty', '', 'no rows'],
  ['no such columns', 'photo,class\na,b', 'line 1|first line'],
  ['a word for a number', 'file,label\n1.jpg,cat', 'line 2'],
  ['a negative class', 'file,label\n1.jpg,-1', 'line 2'],
  ['a file twice', '1.jpg,1\n1.jpg,2', 'line 2'],
])('%s is refused by row', (_, text, words) => {
  expect(() => table(text)).toThrow(new RegExp(words))
  expect(() => table(text)).toThrow(expect.objectContaining({ code: 'bad-data' }))
})

test('label arrays: integers of rank 1, never negative', () => {
  const path = join(scratch(), 'labels.npy')
  writeFileSync(path, npyBytes('<i8', [3], BigInt64Array.of(0n, 9n, 4n)))
  expect([...readLabelArray(path)]).toEqual([0, 9, 4])
  writeFileSync(path, npyBytes('<i8', [2], BigInt64Array.of(0n, -1n)))
  expect(() => readLabelArray(path)).toThrow('row 1')
  writeFileSync(path, npyBytes('<f4', [2], Float32Array.of(0, 1)))
  expect(() => readLabelArray(path)).toThrow('integers')
})

test('the offset is added before the range is checked', () => {
  const row = (index: number) => `row ${index}`
  expect([...shiftLabels(Int32Array.of(0, 9), 1, 11, 'f', row)]).toEqual([1, 10])
  expect(() => shiftLabels(Int32Array.of(0, 9), 1, 10, 'f', row)).toThrow('f: row 1: class 9 + 1 is out of range')
  expect(() => shiftLabels(Int32Array.of(0), -1, 10, 'f', row)).toThrow('row 0')
})
