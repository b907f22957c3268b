import { readOnnxFrom } from '../../../src-main/engine/checkpoint/onnx/read.ts'
import { bytesRange } from '../../../src-main/engine/checkpoint/onnx/wire.ts'
import { analyse } from '../../../src-main/engine/graph/structure.ts'
import { concat, int, message, model, node, tensor, text, valueInfo } from '../../corpus/protobuf.ts'
import type { FuzzTarget } from '../target.ts'

const attribute = (name: string, type: number, ...value: Uint8Array[]) =>
  message(5, text(1, name), int(20, type), ...value)
const branch = message(6, node('Identity', ['w'], ['z']), text(2, 'then'), valueInfo(12, 'z', [4, 2]))

export const onnx: FuzzTarget = {
  name: 'onnx',
  seeds: () => [
    model(),
    model({
      nodes: [
        node(
          'Conv',
          ['x', 'k'],
          ['c'],
          [attribute('pads', 7, int(8, 1), int(8, 1)), attribute('auto_pad', 3, text(4, 'VALID'))],
        ),
        node('Relu', ['c'], ['r']),
        node(
          'Constant',
          [],
          ['s'],
          [attribute('value', 4, message(5, int(1, 2), int(2, 7), message(7, [3, 5]), text(8, 'c')))],
        ),
        node('Reshape', ['r', 's'], ['y']),
      ],
      tensors: [tensor({ name: 'k', dims: [4, 1, 1, 2] })],
      inputs: [valueInfo(11, 'x', [1, 1, 4, 4])],
    }),
    model({
      nodes: [
        node('If', ['b'], ['z'], [attribute('then_branch', 5, branch), attribute('else_branch', 5, branch)]),
        node('Gemm', ['x', 'z'], ['y'], [attribute('alpha', 1, Uint8Array.from([0x15, 0, 0, 0, 63]))]),
      ],
      tensors: [tensor(), tensor({ name: 'b', dims: [], type: 9, raw: [1] })],
      domains: [['com.example', 1]],
      more: [message(14, text(1, 'author'), text(2, 'somebody')), text(2, 'fuzz')],
    }),
    model({
      tensors: [
        tensor({
          external: [
            ['location', 'w.bin'],
            ['offset', '0'],
            ['length', '32'],
          ],
        }),
      ],
    }),
    concat(int(1, 9), message(8, int(2, 17))),
  ],
  run(bytes) {
    // The folder does not exist: whatever external file a mutant names, there is none.
    const { graph, source } = readOnnxFrom(bytesRange(bytes, '/fuzz-nowhere/model.onnx'))
    try {
      analyse(graph, new Map(source.tensors))
      for (const [name, { bytes: size }] of source.tensors)
        if (source.read(name).length !== size)
          throw new Error(`tensor ${name} does not have the ${size} bytes it is listed with`)
    } finally {
      source.close()
    }
  },
  dictionary: [
    ...['MatMul', 'Conv', 'Constant', 'If', 'Loop', 'Scan', 'Gather', 'Reshape', 'Identity', 'QuantizeLinear', 'LSTM'],
    ...['x', 'y', 'w', 'location', '../w.bin', '/dev/zero', 'offset', 'length', 'com.microsoft', 'ai.onnx', '\0'],
    Uint8Array.from([0x0a, 0x02]),
    Uint8Array.from([0x3a, 0x80, 0x80, 0x80, 0x80, 0x10]),
    Uint8Array.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
    Uint8Array.from([0x0b, 0x0c]),
  ],
}
