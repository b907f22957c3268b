// Models that are quantized already: the weights come out as numbers, and the unpacked graph answers like the file.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { encodeModel } from '../../../src-main/engine/checkpoint/onnx/encode.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { readFloat32, weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { type Graph, type Initializer, int, node, type Node, text } from '../../../src-main/engine/graph/ir.ts'
import { float32, graphOf, noise, weight } from './build.ts'
import { feedsFor, inlineWeights, run } from './run.ts'

const bytes = (name: string, dtype: Initializer['dtype'], shape: number[], values: readonly number[]): Initializer => {
  const data =
    dtype === 'int32' ? Int32Array.from(values) : dtype === 'int8' ? Int8Array.from(values) : Uint8Array.from(values)
  return { name, dtype, shape, data: { inline: new Uint8Array(data.buffer) } }
}
const codes = (count: number, low: number, high: number, seed = 3) =>
  noise(count, seed).map((x) => Math.round(low + ((x + 1) / 2) * (high - low)))
const scales = (count: number, seed = 5) => noise(count, seed).map((x) => 0.01 + 0.005 * x)
const packed4 = (values: readonly number[]) =>
  Array.from(
    { length: values.length / 2 },
    (_, i) => ((values[2 * i] ?? 0) & 15) | (((values[2 * i + 1] ?? 0) & 15) << 4),
  )

const input = (name: string, shape: (number | string)[]) => [{ name, dtype: 'float32' as const, shape }]
const contrib = (graph: Graph): Graph => ({ ...graph, opsets: new Map([...graph.opsets, ['com.microsoft', 1]]) })

/** Writes the graph as a file and opens it. */
function open(graph: Graph) {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-quantized-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'model.onnx')
  writeFileSync(path, encodeModel(graph, inlineWeights(graph)))
  const network = openNetwork(path)
  onTestFinished(() => network.source.close())
  return { path, network }
}

/** Largest difference of the unpacked graph from the file, both on plain ONNX Runtime, relative to the largest output. */
async function difference(graph: Graph, shapes: Record<string, number[]>, feeds = feedsFor(graph, 2, shapes)) {
  const { path, network } = open(graph)
  const whole = network.graph as Graph
  const expected = await run(path, feeds)
  const found = await run(encodeModel(whole, weightReader(network)), feeds)
  const [name = ''] = Object.keys(expected)
  const [a, b] = [expected[name]?.data as Float32Array, found[name]?.data as Float32Array]
  const largest = a.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  const off = a.reduce((most, x, i) => Math.max(most, Math.abs(x - (b[i] ?? Number.NaN))), 0)
  expect(largest).toBeGreaterThan(0)
  return { network, relative: off / largest }
}

const weights = (network: ReturnType<typeof open>['network']) =>
  network.layers
    .filter(({ compressible }) => compressible)
    .map(({ name, stored, rows, cols }) => ({ name, stored: stored?.type, rows, cols }))

test('a weight behind DequantizeLinear, one scale a channel', async () => {
  const graph = graphOf({
    nodes: [
      node('DequantizeLinear', ['conv.weight_quantized', 's', 'z'], ['w'], { axis: int(0) }),
      node('DequantizeLinear', ['bias_q', 'bs'], ['b'], { axis: int(0) }),
      node('Conv', ['x', 'w', 'b'], ['y']),
    ],
    inputs: input('x', ['n', 4, 8, 8]),
    outputs: ['y'],
    initializers: [
      bytes('conv.weight_quantized', 'int8', [16, 4, 3, 3], codes(16 * 36, -128, 127)),
      float32('s', [16], scales(16)),
      bytes('z', 'int8', [16], codes(16, -5, 5, 9)),
      bytes('bias_q', 'int32', [16], codes(16, -900, 900)),
      float32('bs', [16], scales(16, 8)),
    ],
  })
  const { network, relative } = await difference(graph, {})
  expect(relative).toBeLessThan(1e-6)
  expect(weights(network)).toEqual([{ name: 'conv.weight', stored: 'QDQ int8 per channel', rows: 16, cols: 36 }])
  expect(network.graph?.nodes.map(({ op }) => op)).toEqual(['Conv'])
  const stored = network.layers.find(({ name }) => name === 'conv.weight')?.stored
  expect(stored?.bytes).toBe(16 * 36 + 16 * 4 + 16)
  // First weight by hand.
  const [first] = readFloat32(network, 'conv.weight')
  const values = graph.initializers
  const at = (name: string, Type: typeof Int8Array | typeof Float32Array) => {
    const data = values.get(name)?.data as { inline: Uint8Array }
    return new Type(data.inline.slice().buffer)[0] as number
  }
  const w = at('conv.weight_quantized', Int8Array) - at('z', Int8Array)
  expect(first).toBe(Math.fround(w * at('s', Float32Array)))
})

test('4-bit codes in blocks of 32 along the inputs', async () => {
  const values = codes(64 * 24, -8, 7)
  const graph = graphOf({
    nodes: [
      node('DequantizeLinear', ['w_Q4', 's'], ['w'], { axis: int(0), block_size: int(32) }),
      node('MatMul', ['x', 'w'], ['y']),
    ],
    inputs: input('x', ['n', 64]),
    outputs: ['y'],
    initializers: [
      { name: 'w_Q4', dtype: 'int4', shape: [64, 24], data: { inline: Uint8Array.from(packed4(values)) } },
      float32('s', [2, 24], scales(48)),
    ],
    opset: 21,
  })
  // Without optimisation: the runtime's own fusion would round the activations to 8 bits.
  const { path, network } = open(graph)
  const feeds = feedsFor(graph, 3)
  const expected = (await run(path, feeds, false)).y?.data as Float32Array
  const found = (await run(encodeModel(network.graph as Graph, weightReader(network)), feeds)).y?.data as Float32Array
  expected.forEach((x, i) => expect(found[i]).toBeCloseTo(x, 4))
  expect(weights(network)).toEqual([{ name: 'w_decoded', stored: 'QDQ int4 g32', rows: 24, cols: 64 }])
})

test('a float weight between QuantizeLinear and DequantizeLinear (quantization-aware training)', async () => {
  const graph = graphOf({
    nodes: [
      node('QuantizeLinear', ['fc.weight', 's', 'z'], ['q']),
      node('DequantizeLinear', ['q', 's', 'z'], ['w']),
      node('Gemm', ['x', 'w'], ['y'], { transB: int(1) }),
    ],
    inputs: input('x', ['n', 32]),
    outputs: ['y'],
    initializers: [weight('fc.weight', [10, 32]), float32('s', [], [0.01]), bytes('z', 'int8', [], [0])],
  })
  const { network, relative } = await difference(graph, {})
  expect(relative).toBeLessThan(1e-6)
  expect(weights(network)).toEqual([{ name: 'fc.weight_decoded', stored: 'QDQ int8', rows: 10, cols: 32 }])
})

test('QLinearConv and QLinearMatMul between quantized activations', async () => {
  const nodes: Node[] = [
    node('QuantizeLinear', ['x', 'xs', 'xz'], ['xq']),
    node('QLinearConv', ['xq', 'xs', 'xz', 'conv1.weight', 'ws', 'wz', 'ys', 'yz', 'bias'], ['cq'], {
      strides: { kind: 'ints', value: [2n, 2n] },
    }),
    node('Flatten', ['cq'], ['fq']),
    node('QLinearMatMul', ['fq', 'ys', 'yz', 'fc.weight', 'fs', 'fz', 'os', 'oz'], ['oq']),
    node('DequantizeLinear', ['oq', 'os', 'oz'], ['y']),
  ]
  const graph = graphOf({
    nodes,
    inputs: input('x', ['n', 4, 9, 9]),
    outputs: ['y'],
    initializers: [
      float32('xs', [], [0.01]),
      bytes('xz', 'uint8', [], [128]),
      bytes('conv1.weight', 'int8', [16, 4, 3, 3], codes(576, -127, 127)),
      float32('ws', [16], scales(16)),
      bytes('wz', 'int8', [16], new Array<number>(16).fill(0)),
      float32('ys', [], [0.15]),
      bytes('yz', 'uint8', [], [120]),
      bytes('bias', 'int32', [16], codes(16, -2000, 2000)),
      bytes('fc.weight', 'int8', [256, 10], codes(2560, -127, 127, 4)),
      float32('fs', [10], scales(10, 7)),
      bytes('fz', 'int8', [10], new Array<number>(10).fill(0)),
      float32('os', [], [0.5]),
      bytes('oz', 'uint8', [], [128]),
    ],
  })
  const { network, relative } = await difference(graph, {})
  expect(relative).toBeLessThan(0.05) // a few of the 256 activations between fall to the other side of a rounding
  expect(weights(network).map(({ name, stored }) => [name, stored])).toEqual([
    ['conv1.weight_decoded', 'QDQ int8 per channel'],
    ['fc.weight_decoded', 'QDQ int8 per channel'],
  ])
  expect(network.notices.join(' ')).toMatch(/2 integer operators run as float operators/)
})

test('dynamic quantization: MatMulInteger, Cast, Mul become one product', async () => {
  const graph = graphOf({
    nodes: [
      node('DynamicQuantizeLinear', ['x'], ['xq', 'xs', 'xz']),
      node('MatMulInteger', ['xq', 'fc.weight_quantized', 'xz', 'wz'], ['i']),
      node('Mul', ['xs', 'ws'], ['factor']),
      node('Cast', ['i'], ['f'], { to: int(1) }),
      node('Mul', ['f', 'factor'], ['y']),
    ],
    inputs: input('x', ['n', 48]),
    outputs: ['y'],
    initializers: [
      bytes('fc.weight_quantized', 'uint8', [48, 12], codes(576, 0, 255)),
      float32('ws', [], [0.013]),
      bytes('wz', 'uint8', [], [131]),
    ],
  })
  const { network, relative } = await difference(graph, {})
  expect(relative).toBeLessThan(1e-5)
  expect(network.graph?.nodes.map(({ op }) => op)).toEqual(['DynamicQuantizeLinear', 'DequantizeLinear', 'MatMul'])
  expect(weights(network)).toEqual([{ name: 'fc.weight', stored: 'QDQ uint8', rows: 12, cols: 48 }])
})

test.each([
  [4, 32, true],
  [4, 16, false],
  [8, 32, true],
  [2, 32, true],
])('MatMulNBits at %i bits in blocks of %i, zero points %s', async (bits, blockSize, zeros) => {
  const [n, k] = [12, 80] // the last block is padded
  const blocks = Math.ceil(k / blockSize)
  const graph = contrib(
    graphOf({
      nodes: [
        node(
          'MatMulNBits',
          ['x', 'proj.weight_Q4', 's', ...(zeros ? ['z'] : [])],
          ['y'],
          { K: int(k), N: int(n), bits: int(bits), block_size: int(blockSize), accuracy_level: int(0) },
          { domain: 'com.microsoft', name: 'proj' },
        ),
      ],
      inputs: input('x', ['n', 't', k]),
      outputs: ['y'],
      initializers: [
        bytes(
          'proj.weight_Q4',
          'uint8',
          [n, blocks, (blockSize * bits) / 8],
          codes((n * blocks * blockSize * bits) / 8, 0, 255),
        ),
        float32('s', [n * blocks], scales(n * blocks)),
        bytes('z', 'uint8', [n * Math.ceil((blocks * bits) / 8)], codes(n * Math.ceil((blocks * bits) / 8), 0, 255, 8)),
      ],
    }),
  )
  const { network, relative } = await difference(graph, { x: [2, 3, k] })
  expect(relative).toBeLessThan(1e-5)
  expect(weights(network)).toEqual([
    { name: 'proj.weight', stored: `MatMulNBits ${bits}-bit g${blockSize}`, rows: n, cols: k },
  ])
})

test('an embedding in blocks is looked up in its numbers', async () => {
  const graph = contrib(
    graphOf({
      nodes: [
        node(
          'GatherBlockQuantized',
          ['embed.weight_quantized', 'ids', 's'],
          ['y'],
          { block_size: int(16), quantize_axis: int(1), gather_axis: int(0), bits: int(4) },
          { domain: 'com.microsoft' },
        ),
      ],
      inputs: [{ name: 'ids', dtype: 'int64', shape: ['n'] }],
      outputs: ['y'],
      initializers: [
        bytes('embed.weight_quantized', 'uint8', [40, 16], codes(640, 0, 255)),
        float32('s', [40, 2], scales(80)),
      ],
    }),
  )
  const ids = { ...feedsFor(graph, 3) }
  ;(ids.ids?.data as BigInt64Array).set([0n, 7n, 39n])
  const { network, relative } = await difference(graph, {}, ids)
  expect(relative).toBeLessThan(1e-6)
  expect(weights(network)).toMatchObject([{ name: 'embed.weight', rows: 40, cols: 32 }])
})

test('a weight with a factor multiplied in is exposed, a mere rearrangement is left to the graph', async () => {
  const graph = graphOf({
    nodes: [
      node('Mul', ['fc.v', 'g'], ['scaled']),
      node('Transpose', ['scaled'], ['w']),
      node('MatMul', ['x', 'w'], ['h']),
      node('Transpose', ['u'], ['ut']),
      node('MatMul', ['h', 'ut'], ['y']),
    ],
    inputs: input('x', ['n', 20]),
    outputs: ['y'],
    initializers: [weight('fc.v', [60, 20]), weight('g', [60, 1], 2), weight('u', [16, 60], 3)],
  })
  const { network, relative } = await difference(graph, {})
  expect(relative).toBeLessThan(1e-5)
  expect(weights(network)).toEqual([
    { name: 'fc.v_decoded', stored: 'constant expression', rows: 60, cols: 20 },
    { name: 'u', stored: undefined, rows: 16, cols: 60 },
  ])
})

test('what a subgraph reads, and operators of other domains, stay as they are', async () => {
  const branch = (name: string): Graph => ({
    ...graphOf({ nodes: [node('Identity', [name], [`${name}.out`])], inputs: [], outputs: [`${name}.out`] }),
  })
  const graph = graphOf({
    nodes: [
      node('DequantizeLinear', ['q', 's'], ['w']),
      node('ReduceMax', ['x'], ['top'], { keepdims: int(0) }),
      node('Greater', ['top', 'limit'], ['isLarge']),
      node('If', ['isLarge'], ['chosen'], {
        then_branch: { kind: 'graph', value: branch('w') },
        else_branch: { kind: 'graph', value: branch('w') },
      }),
      node('MatMul', ['x', 'chosen'], ['y']),
    ],
    inputs: input('x', ['n', 16]),
    outputs: ['y'],
    initializers: [
      bytes('q', 'int8', [16, 20], codes(320, -128, 127)),
      float32('s', [], [0.02]),
      float32('limit', [], [0]),
    ],
  })
  const { network, relative } = await difference(graph, {})
  expect(relative).toBe(0)
  expect(network.graph?.nodes[0]?.op).toBe('DequantizeLinear')
  const own: Graph = {
    ...graphOf({
      nodes: [{ ...node('Polish', ['x'], ['y'], { mode: text('fine') }), domain: 'acme' }],
      inputs: input('x', ['n']),
      outputs: ['y'],
    }),
    opsets: new Map([
      ['', 13],
      ['acme', 1],
    ]),
  }
  const opened = open(own).network
  expect(opened.graph?.nodes[0]).toMatchObject({ op: 'Polish', domain: 'acme' })
  expect(opened.notices.join(' ')).toMatch(/acme/)
})
