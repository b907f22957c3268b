import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { concat, int, message, model, type ModelParts, node, tensor, text, valueInfo, varint } from '../protobuf.ts'
import { file, type Make, noise } from './make.ts'

const onnx = (parts: ModelParts = {}): Make => file('model.onnx', () => model(parts))
const big = (text: string) => BigInt(text)

/** A model whose weight lies in another file, in a folder with a file outside of it. */
const external = (
  location: string,
  build: (folder: string, outside: string) => void = () => {},
  more: [string, string][] = [],
): Make => {
  return (base) => {
    const folder = join(base, 'model')
    mkdirSync(folder)
    const outside = join(base, 'outside.bin')
    writeFileSync(outside, new Uint8Array(32).fill(0x41))
    build(folder, outside)
    const path = join(folder, 'model.onnx')
    writeFileSync(path, model({ tensors: [tensor({ external: [['location', location], ...more] })] }))
    return path
  }
}
const data = (folder: string) => writeFileSync(join(folder, 'w.bin'), new Uint8Array(32))

const nested = (levels: number) => {
  let bytes: Uint8Array = new Uint8Array()
  for (let i = 0; i < levels; i++) bytes = message(15, bytes)
  return bytes
}
const groups = (levels: number) => Uint8Array.from({ length: levels }, () => (15 << 3) | 3)
/** An If inside an If inside an If ... : attribute `then_branch` (field 6 is a graph). */
const branches = (levels: number) => {
  let inner = node('Identity', ['x'], ['y'])
  for (let i = 0; i < levels; i++) {
    const attribute = message(
      5,
      text(1, 'then_branch'),
      int(20, 5),
      message(6, inner, text(2, 'g'), valueInfo(12, 'y')),
    )
    inner = node('If', ['x'], ['y'], [attribute])
  }
  return inner
}

export const onnxCases: Record<string, Make> = {
  'OX00-good': onnx(),
  'OX01-empty': file('model.onnx', ''),
  'OX01-noise': file('model.onnx', () => noise(4096)),
  'OX01-truncated': file('model.onnx', () => model().slice(0, -9)),
  'OX01-text': file('model.onnx', 'hello, this is no model at all\n'),
  'OX02-nested-messages': onnx({ more: [nested(2000)] }),
  'OX02-nested-groups': onnx({ more: [groups(200_000)] }),
  'OX02-nested-branches': onnx({ nodes: [branches(300)] }),
  'OX03-long-varint': file('model.onnx', () => concat([0x08], new Uint8Array(11).fill(0xff), [0x01])),
  'OX03-field-zero': file('model.onnx', () => concat([0x02, 0x01, 0x00], model())),
  'OX03-wire-type-6': file('model.onnx', () => concat([(1 << 3) | 6], model())),
  'OX03-wire-type-7': file('model.onnx', () => concat([(1 << 3) | 7], model())),
  'OX03-length-beyond-file': file('model.onnx', () => concat(int(1, 9), [(7 << 3) | 2], varint(1n << 40n), [0])),
  'OX04-external-good': external('w.bin', data),
  'OX04-external-above': external('../outside.bin'),
  'OX04-external-above-deep': external('sub/../../outside.bin'),
  'OX04-external-absolute': external('/etc/passwd'),
  'OX04-external-device': external('/dev/zero'),
  'OX05-external-link': external('w.bin', (folder, outside) => symlinkSync(outside, join(folder, 'w.bin'))),
  'OX05-external-folder-link': external('sub/outside.bin', (folder) => symlinkSync('..', join(folder, 'sub'))),
  'OX06-external-hard-link': external('w.bin', (folder, outside) => linkSync(outside, join(folder, 'w.bin'))),
  'OX07-external-nul': external('w.bin\0x', data),
  'OX08-external-folder': external('sub', (folder) => mkdirSync(join(folder, 'sub'))),
  'OX08-external-dot': external('.'),
  'OX08-external-empty': external(''),
  'OX08-external-missing': external('w.bin'),
  'OX09-external-unc': external('\\\\host\\share\\f'),
  'OX09-external-double-slash': external('//host/share/f'),
  'OX09-external-drive': external('C:x'),
  'OX09-external-device-name': external('CON'),
  'OX09-external-stream': external('w.bin:stream', data),
  'OX09-external-trailing-dot': external('w.bin.', data),
  'OX10-external-length-huge': external('w.bin', data, [['length', String(2 ** 50)]]),
  'OX10-external-offset-negative': external('w.bin', data, [['offset', '-8']]),
  'OX10-external-offset-max': external('w.bin', data, [['offset', '9223372036854775807']]),
  'OX10-external-length-other': external('w.bin', data, [['length', '16']]),
  'OX10-external-too-short': external('w.bin', (folder) => writeFileSync(join(folder, 'w.bin'), new Uint8Array(31))),
  'OX11-external-two-locations': external('w.bin', data, [['location', '../outside.bin']]),
  'OX13-raw-short': onnx({ tensors: [tensor({ raw: new Uint8Array(31) })] }),
  'OX13-raw-long': onnx({ tensors: [tensor({ raw: new Uint8Array(33) })] }),
  'OX13-no-data': onnx({ tensors: [tensor({ raw: null })] }),
  'OX13-negative-dimension': onnx({ tensors: [tensor({ dims: [-4, 2] })] }),
  'OX13-product-overflow': onnx({ tensors: [tensor({ dims: [big('4294967296'), big('4294967296'), 4] })] }),
  'OX13-unknown-type': onnx({ tensors: [tensor({ type: 999 })] }),
  'OX14-many-dimensions': onnx({
    tensors: [tensor({ dims: new Array<number>(100_000).fill(1), raw: new Uint8Array(4) })],
  }),
  'OX15-cycle': onnx({
    nodes: [node('Add', ['x', 'b'], ['a']), node('Add', ['a', 'x'], ['b']), node('Identity', ['b'], ['y'])],
  }),
  'OX15-missing-input': onnx({ nodes: [node('MatMul', ['x', 'ghost'], ['y'])] }),
  'OX15-missing-output': onnx({ outputs: [valueInfo(12, 'ghost')] }),
  'OX15-value-twice': onnx({ nodes: [node('Identity', ['x'], ['y']), node('Identity', ['x'], ['y'])] }),
  'OX15-node-name-twice': onnx({
    nodes: [node('Identity', ['x'], ['z'], [text(3, 'n')]), node('Identity', ['z'], ['y'], [text(3, 'n')])],
  }),
  'OX15-tensor-twice': onnx({ tensors: [tensor(), tensor()] }),
  'OX15-unknown-operator': onnx({ nodes: [node('Frobnicate', ['x'], ['y'])] }),
  'OX15-domain-not-imported': onnx({ nodes: [node('Thing', ['x'], ['y'], [text(7, 'com.example')])] }),
  'OX15-opset-999': onnx({ opset: 999 }),
  'OX15-ir-999': onnx({ ir: 999 }),
  'OX15-no-graph': file('model.onnx', () => concat(int(1, 9), message(8, int(2, 17)))),
  'OX16-custom-domain': onnx({
    nodes: [node('Thing', ['x'], ['y'], [text(7, 'com.example')])],
    domains: [['com.example', 1]],
    more: [message(14, text(1, 'ort.custom_op_library'), text(2, '/tmp/evil.so'))],
  }),
  'OX25-shuffled-nodes': onnx({ nodes: [node('Identity', ['z'], ['y']), node('MatMul', ['x', 'w'], ['z'])] }),
}
