import { linkSync, mkdtempSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { encodeModel } from '../../../src-main/engine/checkpoint/onnx/encode.ts'
import { readOnnx, readOnnxFrom } from '../../../src-main/engine/checkpoint/onnx/read.ts'
import { bytesRange } from '../../../src-main/engine/checkpoint/onnx/wire.ts'
import { attributeInts, type Graph } from '../../../src-main/engine/graph/ir.ts'
import { bytes, floats, integer, model, nodeProto, opset, tensor, varint } from './build.ts'

const relu = bytes(1, nodeProto('Relu', ['x'], ['y']))
const read = (file: Uint8Array) => readOnnxFrom(bytesRange(file, '/models/model.onnx'))
const folder = mkdtempSync(join(tmpdir(), 'lathe-read-'))
afterAll(() => rmSync(folder, { recursive: true }))
const place = (name: string, content: Uint8Array | string) => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}
const packed = (field: number, values: (number | bigint)[]) => bytes(field, ...values.map(varint))

// prettier-ignore
const typed: [what: string, type: number, dims: number[], data: Uint8Array[], expected: Uint8Array][] = [
  ['raw float32', 1, [2], [bytes(9, floats([1, -2]))], floats([1, -2])],
  ['packed float_data', 1, [2], [bytes(4, floats([1, -2]))], floats([1, -2])],
  ['float_data one by one', 1, [2], [Buffer.concat([varint(37), floats([1])]), Buffer.concat([varint(37), floats([-2])])], floats([1, -2])],
  ['packed float_data in two pieces', 1, [2], [bytes(4, floats([1])), bytes(4, floats([-2]))], floats([1, -2])],
  ['double_data', 11, [1], [bytes(10, Buffer.from(Float64Array.of(0.1).buffer))], Buffer.from(Float64Array.of(0.1).buffer)],
  ['packed int64_data', 7, [2], [packed(7, [-1, 2n ** 62n])], Buffer.from(BigInt64Array.of(-1n, 2n ** 62n).buffer)],
  ['int64_data one by one', 7, [2], [integer(7, -1), integer(7, 5)], Buffer.from(BigInt64Array.of(-1n, 5n).buffer)],
  ['int32_data', 6, [2], [packed(5, [-1, 7])], Buffer.from(Int32Array.of(-1, 7).buffer)],
  ['int8 in int32_data', 3, [2], [packed(5, [-1, 7])], Buffer.from([255, 7])],
  ['float16 bits in int32_data', 10, [2], [packed(5, [0x3c00, 0xc000])], Buffer.from(Uint16Array.of(0x3c00, 0xc000).buffer)],
  ['bool in int32_data', 9, [3], [packed(5, [1, 0, 1])], Buffer.from([1, 0, 1])],
  ['int4 pairs in int32_data', 22, [3], [packed(5, [0x21, 0x03])], Buffer.from([0x21, 0x03])],
  ['uint64_data', 13, [1], [packed(11, [2n ** 63n])], Buffer.from(BigUint64Array.of(2n ** 63n).buffer)],
  ['nothing', 1, [0, 4], [], new Uint8Array(0)],
]

test.for(typed)('reads %s', ([, type, dims, data, expected]) => {
  const { graph, source } = read(model([relu, bytes(5, tensor('w', dims, type, ...data))]))
  expect(new Uint8Array(source.read('w'))).toEqual(new Uint8Array(expected))
  const encoded = encodeModel(graph, (name) => source.read(name))
  expect(new Uint8Array(read(encoded).source.read('w'))).toEqual(new Uint8Array(expected))
})

test('many integers in typed fields stay in the file until they are read', () => {
  const values = Array.from({ length: 5000 }, (_, i) => BigInt(i) * 1_000_003n)
  const { graph, source } = read(model([relu, bytes(5, tensor('w', [5000], 7, packed(7, values)))]))
  expect(graph.initializers.get('w')?.data).toEqual({ source: 'w' })
  expect(source.read('w', { begin: 80, end: 88 })).toEqual(new Uint8Array(BigInt64Array.of(10_000_030n).buffer))
})

test('text tensors, functions and operators of other domains are carried', () => {
  const text = tensor('words', [2], 8, bytes(6, 'a'), bytes(6, 'bcd'))
  const call = bytes(1, nodeProto('Custom', ['x'], ['c'], bytes(7, 'acme')))
  const local = bytes(1, nodeProto('Mine', ['x'], ['m'], bytes(7, 'here')))
  const file = model(
    [relu, call, local, bytes(5, text)],
    [opset(13), opset(2, 'acme'), opset(1, 'here'), bytes(25, bytes(1, 'Mine'), bytes(10, 'here'))],
  )
  const { graph, notices } = read(file)
  expect(graph.functions).toHaveLength(1)
  expect(notices.join(' ')).toMatch(/functions are carried untouched.*"acme" \(such as Custom\)/)
  expect(notices.join(' ')).not.toMatch(/here/)
  const again = read(encodeModel(graph, () => new Uint8Array(0)))
  expect(again.graph.initializers.get('words')).toEqual(graph.initializers.get('words'))
  expect(again.graph.functions).toEqual(graph.functions)
})

test('nodes come in topological order, inputs without initializers', () => {
  const file = model([
    bytes(1, nodeProto('Add', ['h', 'w'], ['y'])),
    bytes(1, nodeProto('Relu', ['x'], ['h'])),
    bytes(5, tensor('w', [1], 1, bytes(9, floats([3])))),
    bytes(11, bytes(1, 'w')),
  ])
  const { graph } = read(file)
  expect(graph.nodes.map((each) => each.op)).toEqual(['Relu', 'Add'])
  expect(graph.inputs.map((each) => each.name)).toEqual(['x'])
})

test('attributes without a type, packed lists and negative numbers', () => {
  const attributes = [
    bytes(5, bytes(1, 'axes'), packed(8, [-1, 2])),
    bytes(5, bytes(1, 'alpha'), varint((2 << 3) | 5), floats([0.5]), integer(20, 1)),
  ]
  const { graph } = read(model([bytes(1, nodeProto('Squeeze', ['x'], ['y'], ...attributes))]))
  const node = graph.nodes[0]
  expect(node && attributeInts(node, 'axes')).toEqual([-1, 2])
  expect(node?.attributes.get('alpha')).toEqual({ kind: 'float', value: 0.5 })
})

const constant = (name: string, dims: number[], values: number[]) =>
  bytes(
    1,
    nodeProto(
      'Constant',
      [],
      [name],
      bytes(5, bytes(1, 'value'), bytes(5, tensor('', dims, 1, bytes(9, floats(values)))), integer(20, 4)),
    ),
  )
const branch = (name: string, ...nodes: Uint8Array[]) =>
  bytes(5, bytes(1, name), bytes(6, ...nodes, bytes(2, name), bytes(12, bytes(1, 't'))), integer(20, 5))

test('weights that are Constants become initializers, those of branches too, under names that stay apart', () => {
  const add = (weight: string) => bytes(1, nodeProto('Add', ['x', weight], ['t']))
  const file = model([
    constant('scalar', [], [1]),
    constant('w', [2], [1, 2]),
    bytes(1, nodeProto('Add', ['x', 'w'], ['h'])),
    bytes(
      1,
      nodeProto(
        'If',
        ['x'],
        ['y'],
        branch('then_branch', constant('b', [2], [3, 4]), add('b')),
        branch('else_branch', constant('b', [2], [5, 6]), add('b')),
      ),
    ),
  ])
  const { graph, source } = read(file)
  expect(graph.nodes.map((each) => each.op)).toEqual(['Constant', 'Add', 'If'])
  expect([...graph.initializers.keys()]).toEqual(['w', 'b_1', 'b_2'])
  const inner = (name: string): Graph | null => {
    const attribute = graph.nodes[2]?.attributes.get(name)
    return attribute?.kind === 'graph' ? attribute.value : null
  }
  expect(inner('then_branch')?.nodes[0]?.inputs).toEqual(['x', 'b_1'])
  expect(inner('else_branch')?.nodes[0]?.inputs).toEqual(['x', 'b_2'])
  expect(new Uint8Array(source.read('b_2'))).toEqual(new Uint8Array(floats([5, 6])))
})

const external = (location: string, offset = '0') => {
  const entry = (key: string, value: string) => bytes(13, bytes(1, key), bytes(2, value))
  return model([
    relu,
    bytes(5, tensor('w', [4], 1, integer(14, 1), entry('location', location), entry('offset', offset))),
  ])
}

test('external data is read by ranges, and only from plain files in the folder', () => {
  place('w.bin', Buffer.concat([new Uint8Array(8), floats([1, 2, 3, 4])]))
  const path = place('m.onnx', external('w.bin', '8'))
  const { source, files, bytes: size } = readOnnx(path)
  expect(new Uint8Array(source.read('w', { begin: 4, end: 12 }))).toEqual(new Uint8Array(floats([2, 3])))
  expect(files).toEqual([path, join(folder, 'w.bin')])
  expect(size).toBe(external('w.bin', '8').length + 24)
  source.close()

  expect(() => readOnnx(place('far.onnx', external('w.bin', '12')))).toThrow(
    /tensor "w" ends at byte 28 of .*w\.bin, which has 24/,
  )
  expect(() => readOnnx(place('gone.onnx', external('gone.bin')))).toThrow(/"gone\.bin": no such file/)
  writeFileSync(join(folder, 'outside.txt'), 'secret of sixteen bytes')
  mkdirSync(join(folder, 'sub'))
  writeFileSync(join(folder, 'sub', 'link.onnx'), external('link.bin'))
  symlinkSync(join(folder, 'outside.txt'), join(folder, 'sub', 'link.bin'))
  expect(() => readOnnx(join(folder, 'sub', 'link.onnx'))).toThrow(/link leads out/)
  writeFileSync(join(folder, 'sub', 'hard.onnx'), external('hard.bin'))
  linkSync(join(folder, 'outside.txt'), join(folder, 'sub', 'hard.bin'))
  expect(() => readOnnx(join(folder, 'sub', 'hard.onnx'))).toThrow(/second hard link/)
  place('pointer.bin', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 16\n')
  expect(() => readOnnx(place('pointer.onnx', external('pointer.bin', '60')))).toThrow(/Git LFS pointer/)
})

test('a file that shrinks while it is open is noticed', () => {
  const path = place('shrinks.onnx', model([relu, bytes(5, tensor('w', [64], 1, bytes(9, new Uint8Array(256))))]))
  const { source } = readOnnx(path)
  truncateSync(path, 100)
  expect(() => source.read('w')).toThrow(/changed its size/)
  source.close()
})

// prettier-ignore
const others: [string, string | Uint8Array, RegExp][] = [
  ['empty', '', /is empty/],
  ['pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n', /Git LFS pointer.*12345/],
  ['zip', Buffer.from('PK\x03\x04rest of it'), /zip archive/],
  ['ort', Buffer.from('\x1c\0\0\0ORTM and more'), /flatbuffer/],
  ['gguf', Buffer.from('GGUF\x03\0\0\0'), /GGUF/],
  ['safetensors', Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{}')]), /safetensors file, not ONNX/],
  ['page', '<!DOCTYPE html><html>', /web page/],
]
test.for(others)('a file that is really %s says so', ([name, content, message]) => {
  expect(() => readOnnx(place(`${name}.onnx`, content))).toThrow(message)
})
