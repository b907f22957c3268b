import { expect, test } from 'vitest'
import { encodeModel } from '../../../src-main/engine/checkpoint/onnx/encode.ts'
import { readOnnx } from '../../../src-main/engine/checkpoint/onnx/read.ts'
import { type Graph, int, ints, type ValueInfo } from '../../../src-main/engine/graph/ir.ts'
import { cutBefore, segment } from '../../../src-main/engine/graph/segment.ts'
import { analyse } from '../../../src-main/engine/graph/structure.ts'
import { hasData } from '../../helpers/data.ts'
import { graphOf, step, weight } from '../onnx/build.ts'
import { pathOf, realModels } from '../onnx/models.ts'
import { bytesOf, feedsFor, run } from '../onnx/run.ts'

const image: ValueInfo = { name: 'x', dtype: 'float32', shape: ['N', 3, 32, 32] }
const tensorsOf = (graph: Graph) =>
  new Map([...graph.initializers.values()].map(({ name, dtype, shape }) => [name, { dtype, shape, bytes: 4 }]))
const structureOf = (graph: Graph) => analyse(graph, tensorsOf(graph))

test.skipIf(!hasData).for(realModels)('$file: $blocks blocks, $compressible layers', (model) => {
  const { graph, source } = readOnnx(pathOf(model))
  const { layers, blocks, task } = analyse(graph, source.tensors)
  expect({ blocks: blocks.length, compressible: layers.filter((layer) => layer.compressible).length, task }).toEqual({
    blocks: model.blocks,
    compressible: model.compressible,
    task: model.task,
  })
  for (const layer of layers) {
    expect(graph.initializers.has(layer.name)).toBe(true)
    expect(layer.rows * layer.cols).toBe(layer.parameters)
  }
  for (const block of blocks) {
    expect(layers.filter((layer) => layer.block === block.index).map((layer) => layer.name)).toEqual(block.layers)
  }
  source.close()
})

const withBlocks = realModels.filter((model) => model.blocks > 0)
test.skipIf(!hasData).for(withBlocks)('$file: each block can be entered with cached activations', async (model) => {
  const { graph, source } = readOnnx(pathOf(model))
  const { blocks } = analyse(graph, source.tensors)
  const read = (name: string) => source.read(name)
  const feeds = feedsFor(graph, 2, model.shapes)
  const outputs = graph.outputs.slice(0, 1).map((each) => each.name)
  // Without the runtime's own fusions the two ways of running are the same arithmetic.
  const exact = (part: Graph, values: typeof feeds) => run(encodeModel(part, read), values, false)
  const expected = bytesOf(await exact(segment(graph, { outputs }), feeds))
  const cuts = blocks.map((block) => cutBefore(graph, block))
  const cached = await exact(segment(graph, { outputs: [...new Set(cuts.flat())] }), feeds)
  for (const cut of cuts.filter((_, i) => i % 4 === 0 || i === cuts.length - 1)) {
    const rest = segment(graph, { inputs: cut, outputs })
    expect(rest.nodes.length).toBeLessThan(graph.nodes.length)
    expect(bytesOf(await exact(rest, { ...feeds, ...cached }))).toEqual(expected)
  }
  source.close()
})

test.skipIf(!hasData)('roles, blocks and matrices of the vision transformer', () => {
  const model = realModels.find((each) => each.file.includes('vit'))
  if (!model) return
  const { graph, source } = readOnnx(pathOf(model))
  const { layers, blocks } = analyse(graph, source.tensors)
  const found = layers.filter((layer) => layer.compressible).map((layer) => layer.role)
  expect(found).toEqual(['conv', ...Array.from({ length: 6 }, () => ['qkv', 'o', 'up', 'down']).flat(), 'head'])
  expect(blocks.map((block) => block.name)).toEqual([0, 1, 2, 3, 4, 5].map((i) => `blocks.${i}`))
  expect(layers.find((layer) => layer.role === 'qkv')).toMatchObject({
    rows: 288,
    cols: 96,
    order: 'cols',
    op: 'MatMul',
  })
  expect(layers.find((layer) => layer.role === 'head')).toMatchObject({ rows: 10, cols: 96, order: 'rows', op: 'Gemm' })
  expect(layers.filter((layer) => layer.role === 'norm')).toHaveLength(26)
  source.close()
})

test('memory order follows operator, transposition attributes and constant Transposes', () => {
  const graph = graphOf({
    nodes: [
      step('Flatten', ['x'], 'f'),
      step('Gemm', ['f', 'a'], 'g0', { transB: int(1) }), // a [40, 3072]
      step('Gemm', ['g0', 'b'], 'g1'), // b [40, 50]
      step('Transpose', ['c'], 'ct', { perm: ints([1, 0]) }), // c [60, 50]
      step('MatMul', ['g1', 'ct'], 'g2'),
      step('MatMul', ['g2', 'd'], 'g3'), // d [60, 8]
      step('Transpose', ['g3'], 'g4', { perm: ints([1, 0]) }),
      step('MatMul', ['e', 'g4'], 'y'), // e [33, 8] from the left
    ],
    inputs: [image],
    outputs: ['y'],
    initializers: [
      weight('a', [40, 3072]),
      weight('b', [40, 50]),
      weight('c', [60, 50]),
      weight('d', [60, 8]),
      weight('e', [33, 8]),
    ],
  })
  const matrices = structureOf(graph).layers.map(({ name, rows, cols, order, compressible }) => [
    name,
    rows,
    cols,
    order,
    compressible,
  ])
  expect(matrices).toEqual([
    ['a', 40, 3072, 'rows', true],
    ['b', 50, 40, 'cols', true],
    ['c', 60, 50, 'rows', true],
    ['d', 8, 60, 'cols', true],
    ['e', 33, 8, 'rows', true],
  ])
})

test('a tied embedding is one layer, at its first use; small and computed weights are not compressible', () => {
  const graph = graphOf({
    nodes: [
      step('Gather', ['embed.weight', 'x'], 'h'),
      step('Mul', ['scaled.weight', 'gain'], 'sw'),
      step('MatMul', ['h', 'sw'], 'm'),
      step('MatMul', ['m', 'tiny.weight'], 'n'),
      step('MatMul', ['n', 'back.weight'], 'o'),
      step('Transpose', ['embed.weight'], 'et', { perm: ints([1, 0]) }),
      step('MatMul', ['o', 'et'], 'y'),
    ],
    inputs: [{ name: 'x', dtype: 'int64', shape: ['N', 'T'] }],
    outputs: ['y'],
    initializers: [
      weight('embed.weight', [100, 16]),
      weight('scaled.weight', [16, 32]),
      weight('gain', [32]),
      weight('tiny.weight', [32, 4]),
      weight('back.weight', [4, 64]),
    ],
  })
  const { layers, task } = structureOf(graph)
  expect(layers.map(({ name, role, op, compressible }) => [name, role, op, compressible])).toEqual([
    ['embed.weight', 'embed', 'Gather', true],
    ['scaled.weight', 'linear', 'MatMul', false],
    ['gain', 'linear', 'MatMul', false],
    ['tiny.weight', 'linear', 'MatMul', false],
    ['back.weight', 'linear', 'MatMul', true],
  ])
  expect(task).toBe('other')
})

/** A residual chain; `names` gives each unit's weight names. */
function residual(units: number, name: (unit: number, part: string) => string): Graph {
  const nodes = [step('Conv', ['x', 'stem.weight'], 'h0')]
  const initializers = [weight('stem.weight', [16, 3, 3, 3])]
  for (let i = 0; i < units; i++) {
    nodes.push(
      step('Conv', [`h${i}`, name(i, 'a')], `a${i}`, { pads: ints([1, 1, 1, 1]) }),
      step('Relu', [`a${i}`], `r${i}`),
      step('Conv', [`r${i}`, name(i, 'b')], `b${i}`, { pads: ints([1, 1, 1, 1]) }),
      step('Add', [`h${i}`, `b${i}`], `h${i + 1}`),
    )
    initializers.push(weight(name(i, 'a'), [16, 16, 3, 3]), weight(name(i, 'b'), [16, 16, 3, 3]))
  }
  nodes.push(
    step('GlobalAveragePool', [`h${units}`], 'p'),
    step('Flatten', ['p'], 'f'),
    step('Gemm', ['f', 'fc.weight'], 'y', { transB: int(1) }),
  )
  initializers.push(weight('fc.weight', [20, 16]))
  const graph = graphOf({ nodes, inputs: [image], outputs: ['y'], initializers })
  graph.outputs = [{ name: 'y', dtype: 'float32', shape: ['N', 20] }]
  return graph
}

test('residual units are blocks even where no name says so; stem and head are outside', () => {
  const { blocks, layers, task } = structureOf(residual(3, (unit, part) => `onnx::Conv_${unit}${part}`))
  expect(blocks.map((block) => block.inputs)).toEqual([['h0'], ['h1'], ['h2']])
  expect(blocks.map((block) => block.layers.length)).toEqual([2, 2, 2])
  expect(layers.filter((layer) => layer.block === null).map((layer) => layer.role)).toEqual(['conv', 'head'])
  expect(task).toBe('image-classification')
})

test('units that share a numbered module are one block', () => {
  const { blocks } = structureOf(residual(4, (unit, part) => `layers.${unit >> 1}.u${unit % 2}.${part}.weight`))
  expect(blocks.map((block) => [block.name, block.layers.length, block.inputs])).toEqual([
    ['layers.0', 4, ['h0']],
    ['layers.1', 4, ['h2']],
  ])
})

test('a chain without names has a block for each layer', () => {
  const nodes = [0, 1, 2].flatMap((i) => [
    step('Conv', [i ? `r${i - 1}` : 'x', `w${i}`], `c${i}`),
    step('Relu', [`c${i}`], `r${i}`),
  ])
  const initializers = [weight('w0', [16, 3, 3, 3]), weight('w1', [16, 16, 3, 3]), weight('w2', [16, 16, 3, 3])]
  const { blocks } = structureOf(graphOf({ nodes, inputs: [image], outputs: ['r2'], initializers }))
  expect(blocks.map((block) => block.inputs)).toEqual([[], ['r0'], ['r1']])
})

test('shapes of earlier values cross a cut as values of their own, tables looked up once do not', () => {
  const w = (name: string) => weight(name, [16, 16])
  const graph = graphOf({
    nodes: [
      step('Gather', ['positions', 'i'], 'angles'),
      step('MatMul', ['x', 'w0'], 'a'),
      step('Shape', ['a'], 's'),
      step('MatMul', ['a', 'w1'], 'b'),
      step('Add', ['b', 'angles'], 'c'),
      step('MatMul', ['c', 'w2'], 'd'),
      step('Reshape', ['d', 's'], 'e'),
      step('Add', ['e', 'angles'], 'g'),
      step('MatMul', ['g', 'w3'], 'y'),
    ],
    inputs: [
      { name: 'x', dtype: 'float32', shape: [2, 16] },
      { name: 'i', dtype: 'int64', shape: [2] },
    ],
    outputs: ['y'],
    initializers: [weight('positions', [32, 16]), w('w0'), w('w1'), w('w2'), w('w3')],
  })
  const { blocks } = structureOf(graph)
  expect(blocks.map((block) => block.inputs)).toEqual([[], ['a'], ['b', 's']]) // w3 is the head
})
