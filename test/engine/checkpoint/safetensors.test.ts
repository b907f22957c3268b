import { renameSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  encodeSafetensors,
  openSafetensors,
  type TensorToWrite,
} from '../../../src-main/engine/checkpoint/safetensors.ts'
import { readSafetensorsHeader } from '../../../src-main/engine/checkpoint/safetensors-header.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { faultOf, fileWith, rawSafetensors, temporaryFolder } from './temporary.ts'

const floats = (...values: number[]): TensorToWrite => ({
  dtype: 'float32',
  shape: [values.length],
  data: new Uint8Array(Float32Array.from(values).buffer),
})

test('what is written is read back, lazily and by ranges', () => {
  const bytes = encodeSafetensors(
    new Map<string, TensorToWrite>([
      ['codes', { dtype: 'uint8', shape: [3], data: Uint8Array.of(1, 2, 3) }],
      ['scale', floats(1, -2.5, 4)],
      ['empty', { dtype: 'float16', shape: [0, 4], data: new Uint8Array() }],
      ['__proto__', floats(7)],
    ]),
    { b: 'two', a: 'ün' },
  )
  const source = openSafetensors([fileWith(bytes)])
  expect([...source.tensors.keys()].sort()).toEqual(['__proto__', 'codes', 'empty', 'scale'])
  expect([...source.metadata]).toEqual([
    ['a', 'ün'],
    ['b', 'two'],
  ])
  expect(source.tensors.get('scale')).toMatchObject({ dtype: 'float32', shape: [3], bytes: 12 })
  expect([...new Float32Array(source.read('scale').slice().buffer)]).toEqual([1, -2.5, 4])
  expect([...source.read('codes', { begin: 1, end: 3 })]).toEqual([2, 3])
  expect(source.read('empty')).toHaveLength(0)
  expect(faultOf(() => source.read('nothing')).code).toBe('not-found')
  source.close()
})

test('the same content gives the same bytes in any order', () => {
  const a = floats(1)
  const b = floats(2)
  expect(encodeSafetensors({ a, b }, { x: '1', y: '2' })).toEqual(encodeSafetensors({ b, a }, { y: '2', x: '1' }))
})

test('several files are one source; a tensor in two of them is refused', () => {
  const first = fileWith(encodeSafetensors({ a: floats(1) }))
  const second = fileWith(encodeSafetensors({ b: floats(2) }))
  const source = openSafetensors([first, second])
  expect(source.tensors.get('b')?.file).toBe(second)
  source.close()
  expect(faultOf(() => openSafetensors([first, first])).message).toContain('is also in')
})

const replaced = (name: string, change: (path: string) => void) =>
  test(`a file that ${name} while in use is noticed`, () => {
    const bytes = encodeSafetensors({ a: floats(1, 2, 3) })
    const path = fileWith(bytes)
    const source = openSafetensors([path])
    source.read('a')
    change(path)
    const fault = faultOf(() => source.read('a'))
    expect(fault.code).toBe('bad-input')
    expect(fault.data?.file).toBe(path)
    source.close()
  })
replaced('is replaced', (path) => {
  const other = join(temporaryFolder(), 'other')
  writeFileSync(other, encodeSafetensors({ a: floats(4, 5, 6) }))
  renameSync(other, path)
})
replaced('is truncated', (path) => writeFileSync(path, 'short'))
replaced('is touched', (path) => utimesSync(path, 1, 1))

const header = (entry: object) => JSON.stringify({ t: entry })
const good = { dtype: 'F32', shape: [2], data_offsets: [0, 8] }

test.each<[string, string, number]>([
  ['leading blanks', ` \t\n${header(good)}`, 8],
  ['trailing blanks', `${header(good)}   `, 8],
  ['a tensor without elements', header({ dtype: 'F32', shape: [0, 4], data_offsets: [0, 0] }), 0],
  ['a scalar', header({ dtype: 'F32', shape: [], data_offsets: [0, 4] }), 4],
  ['no tensors', '{}', 0],
  ['packed four-bit floats', header({ dtype: 'F4', shape: [4], data_offsets: [0, 2] }), 2],
])('accepts %s', (_, json, dataBytes) => {
  const source = openSafetensors([fileWith(rawSafetensors(json, dataBytes))])
  source.close()
})

// Random edits of a well-formed header: either it is still well-formed or a Fault says what is wrong. Nothing else is
// thrown, and nothing is accepted whose tensors do not tile the file.
test('thirty thousand damaged headers are Faults or well-formed', () => {
  const text = JSON.stringify({
    __metadata__: { format: 'pt' },
    'model.a': { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] },
    'model.b': { dtype: 'BF16', shape: [4], data_offsets: [24, 32] },
    'model.c': { dtype: 'I64', shape: [1], data_offsets: [32, 40] },
  })
  const original = rawSafetensors(text, 40)
  const words = [
    '0',
    '-1',
    '1e9',
    '99999999999999999999',
    '"',
    '[',
    ']',
    '{',
    '}',
    ',',
    ':',
    'null',
    '\\u0000',
    '"F64"',
    '24',
    '9',
  ]
  const edit = fc.record({
    at: fc.nat({ max: original.length - 1 }),
    kind: fc.constantFrom('byte', 'word', 'cut', 'copy', 'truncate'),
    value: fc.nat({ max: 255 }),
    length: fc.nat({ max: 20 }),
  })
  let accepted = 0
  const apply = (
    bytes: Buffer,
    { at, kind, value, length }: { at: number; kind: string; value: number; length: number },
  ): Buffer => {
    const before = bytes.subarray(0, at)
    switch (kind) {
      case 'byte':
        return Buffer.concat([before, Buffer.of(value), bytes.subarray(at + 1)])
      case 'word':
        return Buffer.concat([
          before,
          Buffer.from(words[value % words.length] ?? ''),
          bytes.subarray(at + (length % 4)),
        ])
      case 'cut':
        return Buffer.concat([before, bytes.subarray(at + length)])
      case 'copy':
        return Buffer.concat([before, bytes.subarray(at, at + length), bytes.subarray(at)])
      default:
        return before
    }
  }
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), fc.boolean(), (edits, keepLength) => {
      let bytes: Buffer = Buffer.from(original)
      for (const one of edits) bytes = apply(bytes, one)
      // Half of the cases get a fitting length again, so that damage reaches the parts behind it.
      if (keepLength && bytes.length > 48) bytes.writeBigUInt64LE(BigInt(bytes.length - 48), 0)
      const file = {
        path: 'fuzz',
        size: bytes.length,
        read: (begin: number, end: number) => Uint8Array.from(bytes.subarray(begin, end)),
      }
      try {
        const { entries, headerBytes } = readSafetensorsHeader(file)
        const sum = entries.reduce((total, entry) => total + entry.end - entry.begin, 0)
        expect(headerBytes + sum).toBe(file.size)
        accepted++
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        expect(error.code).not.toBe('internal')
      }
    }),
    { numRuns: 30_000 },
  )
  expect(accepted).toBeGreaterThan(100)
})
