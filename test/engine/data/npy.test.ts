import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { readNpy } from '../../../src-main/engine/data/npy.ts'
import { npyBytes, scratch } from './fixtures.ts'

const write = (bytes: Uint8Array): string => {
  const path = join(scratch(), 'array.npy')
  writeFileSync(path, bytes)
  return path
}

test.each([1, 2, 3])('version %i, every element type', (version) => {
  const cases = [
    ['|u1', 'uint8', Uint8Array.of(1, 255, 3, 4, 5, 6)],
    ['|i1', 'int8', Int8Array.of(1, -2, 3, 4, 5, 6)],
    ['<i4', 'int32', Int32Array.of(1, -2, 3, 4, 5, 6)],
    ['<i8', 'int64', BigInt64Array.of(1n, -2n, 3n, 4n, 5n, 6n)],
    ['<f4', 'float32', Float32Array.of(1.5, -2, 3, 4, 5, 6)],
  ] as const
  for (const [descr, dtype, data] of cases) {
    const array = readNpy(write(npyBytes(descr, [2, 3], data, version)))
    expect(array).toEqual({ dtype, shape: [2, 3], data })
  }
})

const good = npyBytes('|u1', [4], Uint8Array.of(1, 2, 3, 4))
const withHeader = (text: string) => {
  const bytes = npyBytes('|u1', [4], Uint8Array.of(1, 2, 3, 4))
  bytes.fill(0x20, 10, bytes.length - 5)
  bytes.write(text, 10, 'latin1')
  return bytes
}

test.each([
  ['empty', Buffer.alloc(0), 'not a .npy file'],
  ['other magic', Buffer.from('PK\x03\x04 and more bytes'), 'not a .npy file'],
  ['version 9', Buffer.concat([good.subarray(0, 6), Buffer.of(9, 0), good.subarray(8)]), '.npy version 9'],
  [
    'header beyond the end',
    Buffer.concat([good.subarray(0, 8), Buffer.of(255, 255), good.subarray(10)]),
    '.npy header of 65535',
  ],
  ['truncated by one byte', good.subarray(0, -1), 'needs 4 bytes, the file holds 3'],
  ['one byte more', Buffer.concat([good, Buffer.of(0)]), 'needs 4 bytes, the file holds 5'],
  ['objects', withHeader("{'descr': '|O', 'fortran_order': False, 'shape': (4,), }"), 'one of the types'],
  ['Fortran order', withHeader("{'descr': '|u1', 'fortran_order': True, 'shape': (4,), }"), 'C order'],
  ['code', withHeader("{'descr': __import__('os').system('x')}"), '.npy header'],
  [
    'huge shape',
    withHeader("{'descr': '|u1', 'fortran_order': False, 'shape': (999999999999, 999999999999), }"),
    'needs',
  ],
])('%s is refused by name', (_, bytes, words) => {
  const path = write(bytes)
  const read = () => readNpy(path)
  expect(read).toThrow(words)
  expect(read).toThrow(path)
  expect(read).toThrow(expect.objectContaining({ code: 'bad-data' }))
})

test('a missing file and a folder are bad data, named', () => {
  const folder = scratch()
  expect(() => readNpy(join(folder, 'none.npy'))).toThrow(expect.objectContaining({ code: 'bad-data' }))
  expect(() => readNpy(folder)).toThrow(expect.objectContaining({ code: 'bad-data' }))
})

test('whatever the bytes, only a Fault comes out', () => {
  const path = write(good)
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 8 }), (changes) => {
      const bytes = Buffer.from(good)
      for (const [at, value] of changes) bytes[at] = value
      writeFileSync(path, bytes)
      try {
        readNpy(path)
      } catch (error) {
        expect(error).toBeInstanceOf(Fault)
      }
    }),
    { seed: 7, numRuns: 300 },
  )
})
