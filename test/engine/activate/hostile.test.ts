// Graphs and data that are not as one would wish.
import { describe, expect, test } from 'vitest'
import { crossquant } from '../../../src-main/engine/activate/crossquant.ts'
import { intTensor } from '../../../src-main/engine/activate/int-tensor.ts'
import { intToken } from '../../../src-main/engine/activate/int-token.ts'
import { tokensRef } from '../../../src-main/engine/activate/rounding.ref.ts'
import { fromFloat32, toFloat32 } from '../../../src-main/engine/checkpoint/convert.ts'
import type { Graph } from '../../../src-main/engine/graph/ir.ts'
import { preparations } from '../../../src-main/engine/prepare/registry.ts'
import { hasData } from '../../helpers/data.ts'
import { graphOf, step, weight } from '../onnx/build.ts'
import { cols, linearNetwork, networkOf, readBy, rowData, tokens } from './linear.ts'
import { inputOf, openReal, rounded } from './run.ts'

const x = tokens(3, 11)
const plain = (values: Float32Array) => values.map((value) => value + 0)

test.each([7, 8, 9, 10, 11, 12, 13, 15, 17, 18, 19, 21])('opset %i', async (opset) => {
  const made = await rounded(intToken, linearNetwork(opset), { layers: 'all' })
  expect(plain(await readBy(made, x))).toEqual(plain(tokensRef(x, cols, 8)))
})

test('a float16 graph is rounded in float32 between two casts', async () => {
  const half = graphOf({
    nodes: [step('Cast', ['x'], 'half', { to: { kind: 'int', value: 10n } }), step('MatMul', ['half', 'w'], 'y')],
    inputs: [{ name: 'x', dtype: 'float32', shape: ['rows', cols] }],
    outputs: [],
    initializers: [
      { name: 'w', dtype: 'float16', shape: [cols, 32], data: { inline: new Uint8Array(cols * 64).fill(0x3c) } },
    ],
  })
  const opened = networkOf({ ...half, outputs: [{ name: 'y', dtype: 'float16', shape: null }] })
  const made = await rounded(intToken, opened, { bits: 4, layers: 'all' })
  const bits = (await readBy(made, x)) as unknown as Uint16Array
  const found = toFloat32(new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength), 'float16')
  const wanted = tokensRef(toFloat32(fromFloat32(x, 'float16'), 'float16'), cols, 4)
  found.forEach((value, at) =>
    expect(Math.abs(value - (wanted[at] as number))).toBeLessThanOrEqual(1e-3 * Math.abs(wanted[at] as number)),
  )
})

test('an operator that cannot be raised is named', async () => {
  const network = linearNetwork(8, [step('Scan', ['x'], 'unused')])
  await expect(rounded(intToken, network, { layers: 'all' })).rejects.toThrow(/Scan cannot be raised/)
})

test('activations that are not numbers name the layer that reads them', async () => {
  const bad = x.slice()
  bad[70] = NaN
  await expect(rounded(intTensor, linearNetwork(), { layers: 'all' }, rowData(bad))).rejects.toMatchObject({
    code: 'bad-data',
    data: { tensor: 'w', found: 'NaN' },
  })
})

test('no calibration rows; a measurement of something else', async () => {
  const network = linearNetwork()
  await expect(rounded(intTensor, network, { layers: 'all' }, rowData(new Float32Array()))).rejects.toThrow(
    'no samples',
  )
  const measured = new Map([['other/range', Float32Array.of(-1, 1)]])
  const apply = () => intTensor.apply(network, { layers: 'all' } as never, { seed: 1, measured })
  expect(apply).toThrow('measured no range of what enters "w"')
})

test('before anything is measured, layers, shapes and blocks are there already', async () => {
  for (const method of preparations.filter(({ family, id }) => family === 'activate' && id !== 'kv-cache')) {
    const network = linearNetwork()
    const made = await rounded(method, network, { layers: 'all' })
    expect(made.layers).toBe(network.layers)
    expect((await readBy(made, x)).length).toBe(x.length)
  }
})

test('a product inside a branch: the rounding stands where the reader is', async () => {
  const branch = (weightName: string, output: string): Graph => ({
    ...graphOf({ nodes: [step('MatMul', ['x', weightName], output)], inputs: [], outputs: [output] }),
  })
  const network = networkOf({
    ...graphOf({
      nodes: [
        step('ReduceSum', ['x'], 'sum', { keepdims: { kind: 'int', value: 0n } }),
        step('Less', ['sum', 'zero'], 'negative'),
        step('If', ['negative'], 'y', {
          then_branch: { kind: 'graph', value: branch('w', 'one') },
          else_branch: { kind: 'graph', value: branch('v', 'other') },
        }),
      ],
      inputs: [{ name: 'x', dtype: 'float32', shape: ['rows', cols] }],
      outputs: ['y'],
      initializers: [weight('w', [cols, 32], 3), weight('v', [cols, 32], 4), weight('zero', [], 5)],
    }),
  })
  const made = await rounded(intToken, network, { layers: 'all' })
  expect(made.rounding?.[0]?.layers).toEqual(['w', 'v'])
  const main = made.graph?.nodes.map(({ op }) => op)
  expect(main).toEqual(['ReduceSum', 'Less', 'If'])
  expect([inputOf(made, 'w'), inputOf(made, 'v')].every((name) => name !== 'x')).toBe(true)
})

test('CrossQuant by batch is refused where nothing tells the dimensions', () => {
  const network = linearNetwork()
  const graph = network.graph
  if (graph === null) throw new Error('no graph')
  const blind = { ...network, graph: { ...graph, inputs: [{ name: 'x', dtype: 'float32' as const, shape: null }] } }
  expect(crossquant.refuses(blind, { columns: 'batch', layers: 'all' } as never)).toMatch(/layer "w": nothing tells/)
  expect(crossquant.refuses(blind, { columns: 'calibrated', layers: 'all' } as never)).toBeNull()
})

describe.skipIf(!hasData)('real models', () => {
  test.each(['silero_vad.onnx', 'silero_vad_16k_op15.onnx'])('%s: subgraphs', async (file) => {
    const { network } = await openReal(`silero-vad/${file}`, 'silero-vad').catch(async () => {
      const { openNetwork } = await import('../../../src-main/engine/checkpoint/open.ts')
      const { dataPath } = await import('../../helpers/data.ts')
      return { network: openNetwork(dataPath('silero-vad', file)) }
    })
    const made = await rounded(intToken, network, { layers: 'all' })
    expect(made.rounding?.[0]?.layers.length).toBeGreaterThan(3)
  })
})
