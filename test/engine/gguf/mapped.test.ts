// Every way in which a rule changes a tensor: any part of it can be read, and packed rows come apart and together whole.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { TensorRule } from '../../../src-main/engine/checkpoint/gguf/architectures/define.ts'
import { architectureFor } from '../../../src-main/engine/checkpoint/gguf/architectures/registry.ts'
import {
  orderFits,
  type RowOrder,
  sourceRow,
  targetRow,
} from '../../../src-main/engine/checkpoint/gguf/architectures/rows.ts'
import { mapTensors } from '../../../src-main/engine/checkpoint/gguf/mapped.ts'
import { ggufFrom } from '../../../src-main/engine/checkpoint/gguf/source.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { bytesRange } from '../../../src-main/engine/checkpoint/onnx/wire.ts'
import { bitsOf } from '../../../src-main/engine/graph/ir.ts'
import { decodeBlocks } from '../../../src-main/engine/kernels/ggml/decode.ts'
import { floats, ggufFile, type WrittenTensor } from '../../helpers/gguf.ts'
import { faultOf, temporaryFolder } from '../checkpoint/temporary.ts'
import { familyCases, goldenCases, writeGoldenFolder } from '../families/golden.ts'
import { uniform } from '../kernels/random.ts'
import { applied } from './apply.ts'

const orders: [string, RowOrder, number][] = [
  ['rotary', { kind: 'rotary', heads: 4 }, 4 * 10],
  ['rotary, one head', { kind: 'rotary', heads: 1 }, 6],
  ['grouped', { kind: 'grouped', heads: 5 }, 5 * 3 * 4],
]

test.each(orders)('%s: the two maps undo one another, and every row has one place', (_, order, rows) => {
  const places = Array.from({ length: rows }, (__, row) => sourceRow(order, rows, row))
  expect([...places].sort((a, b) => a - b)).toEqual(Array.from({ length: rows }, (__, row) => row))
  expect(places.map((place) => targetRow(order, rows, place))).toEqual(Array.from({ length: rows }, (__, row) => row))
  expect(places).not.toEqual(Array.from({ length: rows }, (__, row) => row))
  expect(orderFits(order, rows + 1)).toBe(false)
})

const mixtures = [...goldenCases, ...familyCases].filter(({ name }) =>
  ['plain', 'mixtral', 'gpt2', 'neox', 'phi3', 'qwen2_moe'].includes(name),
)

test.each(mixtures)('any range of any tensor of $name is that part of the whole', (golden) => {
  const original = openNetwork(writeGoldenFolder(golden))
  const architecture = architectureFor(String(golden.config.model_type))
  if (!architecture) throw new Error('no architecture')
  const path = join(temporaryFolder(), `${golden.name}.gguf`)
  writeFileSync(path, ggufFile(applied(original, architecture)))
  original.source.close()
  const network = openNetwork(path)
  const random = uniform(golden.name.length)
  for (const [name, { dtype, bytes }] of network.source.tensors) {
    const whole = network.source.read(name)
    expect(whole.length).toBe(bytes)
    const width = bitsOf[dtype] / 8
    for (let trial = 0; trial < 6; trial++) {
      const [a = 0, b = 0] = [random(), random()].map((x) => Math.floor((x * bytes) / width) * width)
      const range = { begin: Math.min(a, b), end: Math.max(a, b) }
      expect(network.source.read(name, range), `${name} ${range.begin} ${range.end}`).toEqual(
        whole.slice(range.begin, range.end),
      )
    }
  }
  network.source.close()
})

const q8 = (rows: number, seed: number): Uint8Array => {
  const random = uniform(seed)
  const bytes = Uint8Array.from({ length: rows * 34 }, () => Math.floor(random() * 256))
  for (let row = 0; row < rows; row++) bytes.set([0, 0x3c], row * 34) // scale 1
  return bytes
}
const open = (tensors: WrittenTensor[], rules: TensorRule[]) =>
  mapTensors(ggufFrom([bytesRange(ggufFile({ tensors }), 'memory.gguf')]), rules, new Set())

test('packed experts come apart without being decoded', () => {
  const data = q8(3 * 2, 1)
  const parts = ['a', 'b', 'c'].map((name) => ({ name }))
  const { source, rest } = open(
    [{ name: 'exps', type: 8, dims: [32, 2, 3], data }],
    [{ gguf: 'exps', parts, stacked: true }],
  )
  expect(rest).toEqual([])
  expect(source.tensors.get('b')).toMatchObject({ shape: [2, 32], bytes: 256, stored: { type: 'Q8_0', bytes: 68 } })
  expect(source.readStored?.('b')).toEqual(data.slice(68, 136))
  expect(source.readStored?.('c', { begin: 34, end: 68 })).toEqual(data.slice(170, 204))
  expect(source.read('b')).toEqual(new Uint8Array(decodeBlocks('Q8_0', data.slice(68, 136)).slice().buffer))
})

test('a range that begins and ends within a block of packed numbers', () => {
  const data = q8(3, 4)
  const { source } = open([{ name: 'w', type: 8, dims: [32, 3], data }], [])
  const whole = source.read('w').slice()
  expect(source.read('w', { begin: 20, end: 300 })).toEqual(whole.slice(20, 300))
  expect(source.read('w', { begin: 128, end: 132 })).toEqual(whole.slice(128, 132))
  expect(faultOf(() => source.read('w', { begin: 2, end: 8 })).code).toBe('internal')
})

test('fused query, key and value come apart, each in its own order', () => {
  const data = q8(8 + 4 + 4, 2)
  const parts = [
    { name: 'q', rows: 8, order: { kind: 'rotary', heads: 2 } },
    { name: 'k', rows: 4, order: { kind: 'rotary', heads: 1 } },
    { name: 'v', rows: 4 },
  ] as const
  const { source } = open([{ name: 'qkv', type: 8, dims: [32, 16], data }], [{ gguf: 'qkv', parts }])
  const row = (at: number) => data.slice(at * 34, at * 34 + 34)
  const rows = (...list: number[]) => new Uint8Array(Buffer.concat(list.map(row)))
  expect(source.readStored?.('q')).toEqual(rows(0, 2, 1, 3, 4, 6, 5, 7))
  expect(source.readStored?.('k')).toEqual(rows(8, 10, 9, 11))
  expect(source.readStored?.('v')).toEqual(rows(12, 13, 14, 15))
})

test('a transposed or shifted tensor cannot be handed on packed', () => {
  const data = q8(2, 3)
  const tensors = [{ name: 'w', type: 8, dims: [32, 2], data }]
  const turned = open(tensors, [{ gguf: 'w', parts: [{ name: 'x' }], transposed: true }]).source
  expect(turned.tensors.get('x')?.shape).toEqual([32, 2])
  expect(turned.readStored?.('x')).toBeNull()
  const numbers = decodeBlocks('Q8_0', data)
  const read = new Float32Array(turned.read('x').slice().buffer)
  expect([...read]).toEqual(Array.from({ length: 64 }, (_, i) => numbers[(i % 2) * 32 + Math.floor(i / 2)]))
  const shifted = open(tensors, [{ gguf: 'w', parts: [{ name: 'x' }], plus: 1 }]).source
  expect(shifted.readStored?.('x')).toBeNull()
  expect(new Float32Array(shifted.read('x').slice().buffer)[5]).toBe((numbers[5] ?? 0) - 1)
})

test('rows that nobody reads are zero', () => {
  const tensors = [{ name: 'p', type: 0, dims: [2, 2], data: floats([1, 2, 3, 4]) }]
  const { source } = open(tensors, [{ gguf: 'p', parts: [{ name: 'x' }], skip: 2 }])
  expect(source.tensors.get('x')?.shape).toEqual([4, 2])
  expect([...new Float32Array(source.read('x').slice().buffer)]).toEqual([0, 0, 0, 0, 1, 2, 3, 4])
  expect([...new Float32Array(source.read('x', { begin: 12, end: 24 }).slice().buffer)]).toEqual([0, 1, 2])
})

test('what no rule names keeps its own name, and what fits no rule is said', () => {
  const tensors = [{ name: 'w', type: 0, dims: [4, 3], data: floats(new Float32Array(12)) }]
  expect(open(tensors, []).rest).toEqual(['w'])
  const heads: TensorRule = { gguf: 'w', parts: [{ name: 'x', order: { kind: 'rotary', heads: 2 } }] }
  expect(faultOf(() => open(tensors, [heads]))).toMatchObject({
    code: 'bad-input',
    data: { tensor: 'w', found: '[3, 4]' },
  })
  const stack: TensorRule = { gguf: 'w', parts: [{ name: 'x' }, { name: 'y' }], stacked: true }
  expect(faultOf(() => open(tensors, [stack])).message).toMatch(/w is \[3, 4\], expected 2 matrices/)
})
