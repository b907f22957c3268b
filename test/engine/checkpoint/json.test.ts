import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Json, parseJson } from '../../../src-main/engine/checkpoint/json.ts'
import { faultOf } from './temporary.ts'

const encoder = new TextEncoder()
const parse = (text: string, limits = {}) => parseJson(encoder.encode(text), 'x.json', limits)
const plain = (value: Json): unknown => {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]))
  return Array.isArray(value) ? value.map(plain) : value
}

test('reads what JSON.parse reads', () => {
  const json = fc.json({ maxDepth: 5 }).filter((text) => !text.includes('__proto__') && text.isWellFormed())
  fc.assert(
    fc.property(json, (text) => {
      const expected: unknown = JSON.parse(text)
      if (!JSON.stringify(expected).isWellFormed() || /\\ud[89a-f]/i.test(text)) return
      expect(plain(parse(text))).toEqual(expected)
    }),
    { numRuns: 2000 },
  )
})

test('reads escapes, surrogate pairs and UTF-8', () => {
  expect(parse('"a\\n\\u00e9\\ud83d\\ude00 \\"é😀\\\\"')).toBe('a\né😀 "é😀\\')
  expect(parse(' \t\r\n[1, -2.5e3, true, null] ')).toEqual([1, -2500, true, null])
})

test('a key named __proto__ is a plain key', () => {
  const map = parse('{"__proto__": {"x": 1}, "constructor": 2}')
  expect(map).toBeInstanceOf(Map)
  expect([...(map as Map<string, Json>).keys()]).toEqual(['__proto__', 'constructor'])
  expect(({} as Record<string, unknown>).x).toBeUndefined()
})

test.each([
  ['', 'ends too early'],
  ['{', 'expected a key'],
  ['{"a":1', 'ends too early'],
  ['{"a":1,}', 'expected a key'],
  ['[1,]', 'unexpected "]"'],
  ['{"a" 1}', 'expected ":"'],
  ['{}{}', 'something follows'],
  ['\ufeff{}', 'unexpected byte 0xef'],
  ['{"a":1,"a":2}', 'duplicate key "a"'],
  ['"abc', 'a string has no end'],
  ['"\\x"', 'unknown escape'],
  ['"\\u12"', 'unknown escape'],
  ['"\\ud800"', 'surrogate'],
  ['"a\u0001"', 'control character'],
  ['NaN', '"NaN" is not a number'],
  ['01', '"01" is not a number'],
  ['1e999', 'too large'],
  ['tru', 'expected true'],
  [`${'['.repeat(100_000)}`, 'nested deeper than 64'],
])('refuses %j', (text, why) => {
  const fault = faultOf(() => parse(text))
  expect(fault.code).toBe('bad-input')
  expect(fault.message).toContain(why)
  expect(fault.data?.offset).toBeTypeOf('number')
})

test('refuses bytes that are not UTF-8, overlong forms included', () => {
  for (const bytes of [[0xc0, 0xaf], [0xff], [0xed, 0xa0, 0x80], [0xe2, 0x82]]) {
    const text = Uint8Array.from([0x22, ...bytes, 0x22])
    expect(faultOf(() => parseJson(text, 'x.json')).message).toContain('not UTF-8')
  }
})

test.each(['-0', '1e1', '16.0', '9007199254740993', '1.5'])('integers only: refuses %s', (text) => {
  expect(faultOf(() => parse(text, { integersOnly: true })).code).toBe('bad-input')
})

test('keeps its limits', () => {
  expect(faultOf(() => parse('[1,2,3]', { maxItems: 2 })).message).toContain('more than 2 items')
  expect(faultOf(() => parse('{"a":1,"b":2}', { maxEntries: 1 })).message).toContain('more than 1 keys')
  expect(faultOf(() => parse('"abcd"', { maxStringBytes: 3 })).message).toContain('more than 3 bytes')
})
