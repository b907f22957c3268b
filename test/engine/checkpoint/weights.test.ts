import { noAssets } from '../../../src-main/engine/checkpoint/assets.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { layerOf } from '../../../src-main/engine/checkpoint/layer.ts'
import type { Layer, Network } from '../../../src-main/engine/checkpoint/network.ts'
import { encodeSafetensors, openSafetensors } from '../../../src-main/engine/checkpoint/safetensors.ts'
import { readFloat32, readMatrix, toMemoryOrder, weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { floatToHalf } from '../../../src-main/engine/checkpoint/convert.ts'
import type { Graph, Initializer } from '../../../src-main/engine/graph/ir.ts'
import { faultOf, fileWith } from './temporary.ts'

const values = Float32Array.from({ length: 15 }, (_, i) => i - 7)
const source = openSafetensors([
  fileWith(
    encodeSafetensors({
      w: { dtype: 'float32', shape: [3, 5], data: new Uint8Array(values.buffer) },
      half: { dtype: 'float16', shape: [3, 5], data: new Uint8Array(floatToHalf(values).buffer) },
      codes: { dtype: 'float4e2m1', shape: [4], data: Uint8Array.of(0x21, 0x43) },
    }),
  ),
])

const network = (initializers: Initializer[] = []): Network => {
  const graph: Graph = {
    name: 'g',
    irVersion: 10,
    opsets: new Map([['', 21]]),
    nodes: [],
    inputs: [],
    outputs: [],
    initializers: new Map(initializers.map((each) => [each.name, each])),
    values: new Map(),
    functions: [],
    metadata: new Map(),
    producer: '',
  }
  return {
    path: 'm',
    name: 'm',
    format: 'safetensors',
    family: 'test',
    task: 'other',
    fingerprint: '',
    bytes: 0,
    graph,
    source,
    layers: [],
    blocks: [],
    head: null,
    ...noAssets,
    notices: [],
    card: {},
    files: [],
  }
}
const layer = (order: Layer['order']): Layer => {
  const info = source.tensors.get('w')
  if (!info) throw new Error('no tensor')
  return layerOf(info, { role: 'linear', order, op: 'MatMul' })
}

test('reads whole tensors and element ranges of any type', () => {
  expect([...readFloat32(network(), 'half')]).toEqual([...values])
  expect([...readFloat32(network(), 'half', { begin: 4, end: 7 })]).toEqual([-3, -2, -1])
  expect([...readFloat32(network(), 'codes', { begin: 2, end: 3 })]).toEqual([1.5])
  expect(faultOf(() => readFloat32(network(), 'codes', { begin: 1, end: 3 })).code).toBe('internal')
  expect(faultOf(() => readFloat32(network(), 'ghost')).code).toBe('not-found')
})

test('rows are output channels in either memory order', () => {
  expect(readMatrix(network(), layer('rows'), { begin: 1, end: 2 })).toEqual({
    rows: 1,
    cols: 5,
    data: values.slice(5, 10),
  })
  const across = readMatrix(network(), layer('cols'))
  expect(across).toMatchObject({ rows: 5, cols: 3 })
  expect([...across.data.slice(0, 3)]).toEqual([values[0], values[5], values[10]])
  expect([...readMatrix(network(), layer('cols'), { begin: 3, end: 5 }).data]).toEqual([...across.data.slice(9)])
})

test('memory order -> matrix -> memory order is the identity', () => {
  fc.assert(
    fc.property(
      fc.nat({ max: 70 }),
      fc.nat({ max: 70 }),
      fc.constantFrom('rows' as const, 'cols' as const),
      (a, b, order) => {
        const shape = [a + 1, b + 1]
        const data = Float32Array.from({ length: (a + 1) * (b + 1) }, (_, i) => i)
        const path = fileWith(encodeSafetensors({ w: { dtype: 'float32', shape, data: new Uint8Array(data.buffer) } }))
        const opened = openSafetensors([path])
        const info = opened.tensors.get('w')
        if (!info) throw new Error('no tensor')
        const each = layerOf(info, { role: 'linear', order })
        const matrix = readMatrix({ ...network(), source: opened }, each)
        expect(matrix.rows * matrix.cols).toBe(data.length)
        expect(toMemoryOrder(each, matrix)).toEqual(data)
        opened.close()
      },
    ),
    { numRuns: 60 },
  )
  const small = { data: new Float32Array(2), rows: 1, cols: 2 }
  expect(faultOf(() => toMemoryOrder(layer('rows'), small)).code).toBe('internal')
})

test('a weight reader gives the bytes that the graph asks for', () => {
  const read = weightReader(
    network([
      { name: 'w', dtype: 'float32', shape: [3, 5], data: { source: 'w' } },
      { name: 'widened', dtype: 'float32', shape: [3, 5], data: { source: 'half' } },
      { name: 'narrow', dtype: 'float16', shape: [3, 5], data: { source: 'half' } },
      { name: 'inner', dtype: 'int64', shape: [1], data: { inline: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0) } },
    ]),
    new Map([['narrow', Float32Array.from({ length: 15 }, () => 1)]]),
  )
  expect([...new Float32Array(read('w').slice().buffer)]).toEqual([...values])
  expect([...new Float32Array(read('widened').slice().buffer)]).toEqual([...values])
  expect([...new Uint16Array(read('narrow').slice().buffer)]).toEqual(new Array(15).fill(0x3c00))
  expect(read('inner')).toHaveLength(8)
  expect(read('codes')).toEqual(Uint8Array.of(0x21, 0x43))
  expect(faultOf(() => read('ghost')).code).toBe('not-found')
})

test('an override of a tensor reaches every initializer that reads it', () => {
  const ones = new Float32Array(15).fill(1)
  const read = weightReader(
    network([{ name: 'renamed', dtype: 'float32', shape: [3, 5], data: { source: 'half' } }]),
    new Map([['half', ones]]),
  )
  expect(new Float32Array(read('renamed').slice().buffer)).toEqual(ones)
})
