import { expect, test } from 'vitest'
import { readOnnxFrom } from '../../../src-main/engine/checkpoint/onnx/read.ts'
import { bytesRange } from '../../../src-main/engine/checkpoint/onnx/wire.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { bytes, floats, integer, model, nodeProto, opset, tag, tensor, varint } from './build.ts'

const relu = bytes(1, nodeProto('Relu', ['x'], ['y']))
const named = (op: string, inputs: string[], outputs: string[], name: string) =>
  bytes(1, nodeProto(op, inputs, outputs, bytes(3, name)))
const withTensor = (...parts: Parameters<typeof tensor>) => model([relu, bytes(5, tensor(...parts))])
const raw = (count: number) => bytes(9, new Uint8Array(count))
const nested = (depth: number): Uint8Array => {
  let inner: Uint8Array = bytes(2, 'deepest')
  for (let i = 0; i < depth; i++)
    inner = bytes(1, nodeProto('If', ['x'], ['y'], bytes(5, bytes(1, 'then_branch'), bytes(6, inner), integer(20, 5))))
  return inner
}
const external = (...entries: [string, string][]) =>
  withTensor('w', [2], 1, integer(14, 1), ...entries.map(([key, value]) => bytes(13, bytes(1, key), bytes(2, value))))
const good = model([relu])

// prettier-ignore
const cases: [what: string, file: Uint8Array, code: string, message: RegExp][] = [
  ['nothing', new Uint8Array(0), 'bad-input', /not an ONNX model: it holds no graph/],
  ['cut off by 9 bytes', withTensor('w', [64], 1, raw(256)).subarray(0, -9), 'bad-input', /model\.onnx: a length of \d+ bytes where \d+ are left \(graph, offset 2\)/],
  ['200,000 nested groups', Buffer.alloc(200_000, tag(1, 3)), 'bad-input', /wire type 3.*offset 0/],
  ['If inside If, 2000 deep', model([nested(2000)]), 'bad-input', /nested deeper than 100 messages \(graph\.node\[0\]\.attribute\[0\]\.g/],
  ['varint of 11 bytes', Buffer.from([8, ...Array<number>(10).fill(0x80), 1]), 'bad-input', /more than 10 bytes \(ir_version, offset 1\)/],
  ['varint of 70 bits', Buffer.from([8, ...Array<number>(9).fill(0xff), 2]), 'bad-input', /more than 64 bits/],
  ['field 0', Buffer.from([0, 1]), 'bad-input', /field number 0 \(model, offset 0\)/],
  ['wire type 6', Buffer.from([14, 1]), 'bad-input', /wire type 6/],
  ['wire type 7', Buffer.from([15, 1]), 'bad-input', /wire type 7/],
  ['length beyond the file', Buffer.concat([tag(7, 2), varint(2 ** 40)]), 'bad-input', /a length of 1099511627776 bytes where 0 are left \(graph, offset 0\)/],
  ['length of 2^63', Buffer.concat([tag(7, 2), varint(2n ** 63n)]), 'bad-input', /a length of 92233720368547\d+ bytes/],
  ['wrong wire type', model([Buffer.concat([tag(1, 0), varint(5)])]), 'bad-input', /wire type 0 where 2 belongs \(graph\.node\[0\]/],
  ['name that is not UTF-8', model([named('Relu', ['x'], ['y'], ''), bytes(2, new Uint8Array([0xc0, 0xaf]))]), 'bad-input', /not UTF-8 \(graph\.name/],
  ['IR version 999', model([relu], [opset(13)], 999), 'unsupported', /IR version 999/],
  ['no IR version', model([relu], [opset(13)], 0), 'bad-input', /IR version 0/],
  ['opset 999', model([relu], [opset(999)]), 'unsupported', /operator set 999/],
  ['no opset', model([relu], []), 'bad-input', /imports no operator set/],
  ['opset twice', model([relu], [opset(13), opset(14)]), 'bad-input', /imported twice \(opset_import\[1\]/],
  ['unknown operator', model([bytes(1, nodeProto('Frobnicate', ['x'], ['y']))]), 'unsupported', /unknown operator "Frobnicate" in node Frobnicate -> "y"/],
  ['operator newer than the opset', model([bytes(1, nodeProto('Gelu', ['x'], ['y']))]), 'bad-input', /uses Gelu, which opset 13 does not have yet/],
  ['domain not imported', model([bytes(1, nodeProto('Thing', ['x'], ['y'], bytes(7, 'acme')))]), 'bad-input', /the domain "acme", which the model does not import/],
  ['cycle', model([named('Add', ['x', 'b'], ['a'], 'n1'), named('Relu', ['a'], ['b'], 'n2'), named('Relu', ['b'], ['y'], 'n3')]), 'bad-input', /a cycle through node "n1" \(Add\)/],
  ['missing input', model([named('Add', ['x', 'nowhere'], ['y'], 'sum')]), 'bad-input', /node "sum" \(Add\) reads "nowhere", which nothing computes/],
  ['missing output', model([]), 'bad-input', /graph output "y" reads "y"/],
  ['missing input inside a branch', model([bytes(1, nodeProto('If', ['x'], ['y'], bytes(5, bytes(1, 'then_branch'), bytes(6, named('Relu', ['gone'], ['t'], 'inner'), bytes(12, bytes(1, 't'))), integer(20, 5))))]), 'bad-input', /node "inner" \(Relu\) inside node If -> "y" reads "gone"/],
  ['output defined twice', model([relu, relu]), 'bad-input', /"y" is defined twice/],
  ['two nodes of one name', model([named('Relu', ['x'], ['h'], 'n'), named('Relu', ['h'], ['y'], 'n')]), 'bad-input', /two nodes are named "n"/],
  ['initializer twice', model([relu, bytes(5, tensor('w', [1], 1, raw(4))), bytes(5, tensor('w', [1], 1, raw(4)))]), 'bad-input', /"w" is given twice/],
  ['node without operator', model([bytes(1, bytes(2, 'y'))]), 'bad-input', /names no operator/],
  ['raw_data too short', withTensor('w', [4], 1, raw(15)), 'bad-input', /tensor "w": raw_data holds 15 bytes where 16 belong \(graph\.initializer\[0\]/],
  ['raw_data too long', withTensor('w', [4], 1, raw(17)), 'bad-input', /raw_data holds 17 bytes/],
  ['no data', withTensor('w', [4], 1), 'bad-input', /it holds 0 bytes where 16 belong/],
  ['dimension -4', withTensor('w', [-4], 1, raw(16)), 'bad-input', /the dimension -4 \(graph\.initializer\[0\]\.dims\[0\]/],
  ['dimension 2^62', withTensor('w', [2n ** 62n], 1, raw(16)), 'bad-input', /the integer/],
  ['product overflow', withTensor('w', [2 ** 32, 2 ** 32, 4], 1, raw(16)), 'too-large', /the product of \[4294967296, 4294967296, 4\]/],
  ['data type 999', withTensor('w', [4], 999, raw(16)), 'bad-input', /the data type 999/],
  ['data type 0', withTensor('w', [4], 0, raw(16)), 'bad-input', /the data type 0/],
  ['100,000 dimensions', withTensor('w', Array<number>(100_000).fill(1), 1, raw(4)), 'too-large', /more than 64 dimensions/],
  ['data twice', withTensor('w', [1], 1, raw(4), bytes(4, floats([1]))), 'bad-input', /has its data twice/],
  ['typed data of another type', withTensor('w', [1], 1, integer(7, 1)), 'bad-input', /int64_data cannot hold float32/],
  ['too few typed elements', withTensor('w', [3], 7, integer(7, 1), integer(7, 1)), 'bad-input', /its typed data holds 2 bytes|more or fewer elements/],
  ['too many typed elements', withTensor('w', [1], 7, integer(7, 1), integer(7, 1)), 'bad-input', /more or fewer elements/],
  ['too few floats', withTensor('w', [3], 1, bytes(4, floats([1, 2]))), 'bad-input', /float_data holds 8 bytes where 12 belong/],
  ['strings as raw_data', withTensor('w', [1], 8, raw(4)), 'bad-input', /text cannot be raw_data/],
  ['external without location', external(['offset', '0']), 'bad-input', /without a location/],
  ['external offset -8', external(['location', 'w.bin'], ['offset', '-8']), 'bad-input', /external offset "-8"/],
  ['external offset 2^63-1', external(['location', 'w.bin'], ['offset', '9223372036854775807']), 'bad-input', /external offset/],
  ['external length 2^50', external(['location', 'w.bin'], ['length', String(2 ** 50)]), 'bad-input', /external length 1125899906842624 where 8 bytes belong/],
  ['external location twice', external(['location', 'a'], ['location', 'b']), 'bad-input', /the key "location" twice/],
  ['external path outside', external(['location', '../secret']), 'forbidden', /leaves its folder/],
  ['external NUL', external(['location', 'w.bin\0x']), 'forbidden', /control character/],
  ['external absolute', external(['location', '/etc/passwd']), 'forbidden', /absolute/],
  ['sparse initializer', model([relu, bytes(15, bytes(1, 'w'))]), 'unsupported', /a sparse initializer/],
]

test.for(cases)('%s is refused', ([, file, code, message]) => {
  const begun = performance.now()
  let fault: unknown = null
  try {
    readOnnxFrom(bytesRange(file, '/models/model.onnx'))
  } catch (error) {
    fault = error
  }
  expect(fault).toBeInstanceOf(Fault)
  if (!(fault instanceof Fault)) return
  expect(fault.message).toMatch(message)
  expect(fault.code).toBe(code)
  expect(fault.data?.file ?? fault.message).toContain('/models')
  expect(performance.now() - begun).toBeLessThan(2000)
})

test('the model that the cases are made from is fine', () => {
  expect(readOnnxFrom(bytesRange(good, '/models/model.onnx')).graph.nodes).toHaveLength(1)
})
