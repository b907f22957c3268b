import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readGgufHeader } from '../../../../src-main/engine/checkpoint/gguf/header.ts'
import {
  type Metadata,
  type MetadataValue,
  numberList,
  type NumberType,
  textList,
} from '../../../../src-main/engine/checkpoint/gguf/metadata.ts'
import { openGguf } from '../../../../src-main/engine/checkpoint/gguf/source.ts'
import { encodeHead, padded, type TensorEntry } from '../../../../src-main/engine/export/gguf/container.ts'
import { decodeBlocks } from '../../../../src-main/engine/kernels/ggml/decode.ts'
import { type GgmlType, ggmlTypes, rowBytes } from '../../../../src-main/engine/kernels/ggml/types.ts'
import { faultOf, temporaryFolder } from '../../checkpoint/temporary.ts'

const readable = (Object.keys(ggmlTypes) as GgmlType[]).filter((type) => type !== 'Q8_1' && type !== 'Q8_K')

const integers: Record<string, [number, number]> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
  uint32: [0, 2 ** 32 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint64: [0, Number.MAX_SAFE_INTEGER],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
}

const numberOf = (type: NumberType): fc.Arbitrary<number> => {
  const [min, max] = integers[type] ?? [0, 0]
  if (type === 'float32') return fc.float({ noNaN: true })
  return type === 'float64' ? fc.double({ noNaN: true }) : fc.maxSafeInteger().map((x) => min + (Math.abs(x) % (max - min + 1))) // prettier-ignore
}
const numberTypes = [...Object.keys(integers), 'float32', 'float64'] as NumberType[]
const text = fc.string({ unit: 'grapheme', maxLength: 30 })
const value: fc.Arbitrary<MetadataValue> = fc.oneof(
  text.map((value): MetadataValue => ({ type: 'string', value })),
  fc.boolean().map((value): MetadataValue => ({ type: 'bool', value })),
  fc.constantFrom(...numberTypes).chain((type) => numberOf(type).map((value): MetadataValue => ({ type, value }))),
  fc.array(text, { maxLength: 20 }).map(textList),
  fc.constantFrom(...numberTypes).chain((of) => fc.array(numberOf(of), { maxLength: 20 }).map((list) => numberList(of, list))), // prettier-ignore
)
const key = fc.stringMatching(/^[a-z]{1,8}(\.[a-z_]{1,8}){0,3}$/)

const plain = (metadata: Metadata) =>
  [...metadata].map(([name, found]) => [name, found.type === 'array' ? [found.of, [...found.values()]] : found])

test('any metadata is read back as it was written', () => {
  fc.assert(
    fc.property(fc.dictionary(key, value, { maxKeys: 12 }), (dictionary) => {
      const metadata = new Map(Object.entries(dictionary))
      metadata.delete('general.alignment') // the reader honours it
      const bytes = encodeHead(metadata, [])
      const memory = {
        path: 'memory',
        size: bytes.length,
        read: (begin: number, end: number) => bytes.slice(begin, end),
      }
      expect(plain(readGgufHeader(memory).metadata)).toEqual(plain(metadata))
    }),
    { numRuns: 200 },
  )
})

test('1,000 random tensors of every type are read back bit for bit, as stored and decoded', () => {
  const folder = temporaryFolder()
  let count = 0
  const shape = (type: GgmlType) =>
    fc
      .tuple(fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }), fc.integer({ min: 1, max: 2 }))
      .map(([outer, blocks]) => [...outer, blocks * ggmlTypes[type].blockSize])
  const tensor = fc
    .constantFrom(...readable)
    .chain((type) => fc.tuple(fc.constant(type), shape(type)))
    .chain(([type, dims]) => {
      const bytes = rowBytes(
        type,
        dims.reduce((a, b) => a * b, 1),
      )
      return fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((data) => ({ type, dims, data }))
    })
  fc.assert(
    fc.property(fc.array(tensor, { minLength: 20, maxLength: 20 }), (tensors) => {
      let offset = 0
      const entries = tensors.map(({ type, dims, data }, i): TensorEntry => {
        const entry = { name: `t.${i}`, shape: dims, type, offset }
        offset += padded(data.length)
        return entry
      })
      const head = encodeHead(new Map(), entries)
      const file = new Uint8Array(head.length + offset)
      file.set(head)
      tensors.forEach(({ data }, i) => file.set(data, head.length + (entries[i]?.offset ?? 0)))
      const path = join(folder, 'tensors.gguf')
      writeFileSync(path, file)
      const source = openGguf([path])
      try {
        for (const [i, { type, dims, data }] of tensors.entries()) {
          expect(source.tensors.get(`t.${i}`)?.shape).toEqual(dims)
          expect(source.readRaw(`t.${i}`, 0, data.length)).toEqual(data)
          const read = source.read(`t.${i}`)
          if (ggmlTypes[type].blockSize === 1) expect(read).toEqual(data)
          else expect(read).toEqual(new Uint8Array(decodeBlocks(type, data).slice().buffer))
          count++
        }
      } finally {
        source.close()
      }
    }),
    { numRuns: 50 },
  )
  expect(count).toBe(1000)
})

test('a name that ggml would cut off is refused', () => {
  const entry = { name: 'x'.repeat(64), shape: [1], type: 'F32' as const, offset: 0 }
  expect(faultOf(() => encodeHead(new Map(), [entry])).code).toBe('unsupported')
})
