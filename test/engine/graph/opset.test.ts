import { expect, test } from 'vitest'
import { readOnnx } from '../../../src-main/engine/checkpoint/onnx/read.ts'
import {
  type Attribute,
  float,
  type Graph,
  int,
  ints,
  type Node,
  node,
  text,
  type ValueInfo,
} from '../../../src-main/engine/graph/ir.ts'
import { raiseOpset } from '../../../src-main/engine/graph/opset.ts'
import { hasData } from '../../helpers/data.ts'
import { float32, graphOf, step, weight } from '../onnx/build.ts'
import { pathOf, realModels } from '../onnx/models.ts'
import { bytesOf, feedsFor, inlineWeights, runGraph } from '../onnx/run.ts'

const floats = (...value: number[]): Attribute => ({ kind: 'floats', value })
const input = (...shape: (number | null)[]): ValueInfo => ({ name: 'x', dtype: 'float32', shape })

interface Case {
  what: string
  opset: number
  nodes: Node[]
  inputs?: ValueInfo[]
  weights?: ReturnType<typeof weight>[]
  outputs?: string[]
}
const bn = ['scale', 'shift', 'mean', 'variance']
const positive = (name: string) => float32(name, [3], [0.5, 1, 2])
const cases: Case[] = [
  {
    what: 'Slice by attributes',
    opset: 9,
    nodes: [step('Slice', ['x'], 'y', { starts: ints([1, 0]), ends: ints([3, 5]), axes: ints([1, 3]) })],
  },
  { what: 'TopK by attribute', opset: 9, nodes: [node('TopK', ['x'], ['y', 'i'], { k: int(2), axis: int(3) })] },
  {
    what: 'BatchNormalization with spatial',
    opset: 7,
    weights: bn.map(positive),
    nodes: [step('BatchNormalization', ['x', ...bn], 'y', { spatial: int(1) })],
  },
  { what: 'Upsample by attribute', opset: 7, nodes: [step('Upsample', ['x'], 'y', { scales: floats(1, 1, 2, 3) })] },
  {
    what: 'Upsample by input, linear',
    opset: 9,
    weights: [float32('s', [4], [1, 1, 2, 2])],
    nodes: [step('Upsample', ['x', 's'], 'y', { mode: text('linear') })],
  },
  {
    what: 'Resize of opset 10',
    opset: 10,
    weights: [float32('s', [4], [1, 1, 1.5, 2])],
    nodes: [step('Resize', ['x', 's'], 'y')],
  },
  { what: 'Clip by attributes', opset: 10, nodes: [step('Clip', ['x'], 'y', { min: float(-0.25), max: float(0.5) })] },
  { what: 'Clip with a maximum only', opset: 7, nodes: [step('Clip', ['x'], 'y', { max: float(0.5) })] },
  {
    what: 'Pad by attributes',
    opset: 10,
    nodes: [step('Pad', ['x'], 'y', { pads: ints([0, 0, 1, 2, 0, 1, 0, 0]), value: float(7) })],
  },
  { what: 'Dropout with a ratio', opset: 10, nodes: [step('Dropout', ['x'], 'y', { ratio: float(0.4) })] },
  { what: 'Softmax that flattens', opset: 12, nodes: [step('Softmax', ['x'], 'y', { axis: int(1) })] },
  { what: 'Softmax by default', opset: 11, nodes: [step('Softmax', ['x'], 'y')] },
  { what: 'Softmax of two dimensions', opset: 11, inputs: [input(2, 5)], nodes: [step('Softmax', ['x'], 'y')] },
  {
    what: 'LogSoftmax of unknown rank',
    opset: 11,
    nodes: [step('Unsqueeze', ['x'], 'u', { axes: ints([0]) }), step('LogSoftmax', ['u'], 'y', { axis: int(2) })],
  },
  {
    what: 'Squeeze and Unsqueeze by attributes',
    opset: 12,
    nodes: [step('Unsqueeze', ['x'], 'u', { axes: ints([0, 5]) }), step('Squeeze', ['u'], 'y', { axes: ints([0]) })],
  },
  {
    what: 'ReduceSum by attribute',
    opset: 12,
    nodes: [step('ReduceSum', ['x'], 'y', { axes: ints([1, 3]), keepdims: int(0) })],
  },
  { what: 'ReduceMean over all', opset: 17, nodes: [step('ReduceMean', ['x'], 'y')] },
  {
    what: 'ReduceMean and ReduceMax by attribute',
    opset: 17,
    nodes: [
      step('ReduceMean', ['x'], 'm', { axes: ints([3]) }),
      step('ReduceMax', ['m'], 'y', { axes: ints([-2]), keepdims: int(0) }),
    ],
  },
  {
    what: 'Split by attribute',
    opset: 11,
    nodes: [node('Split', ['x'], ['y', 'z'], { axis: int(1), split: ints([1, 2]) })],
    outputs: ['y', 'z'],
  },
  {
    what: 'Split into equal parts',
    opset: 13,
    nodes: [node('Split', ['x'], ['y', 'z'], { axis: int(2) })],
    outputs: ['y', 'z'],
  },
  {
    what: 'an optimized transformer step',
    opset: 11,
    inputs: [input(2, 4, 6)],
    weights: [weight('w', [6, 6]), weight('b', [6])],
    nodes: [
      step('MatMul', ['x', 'w'], 'm'),
      step('Add', ['m', 'b'], 'a'),
      step('Softmax', ['a'], 's', { axis: int(2) }),
      step('Transpose', ['s'], 't', { perm: ints([0, 2, 1]) }),
      step('MatMul', ['t', 'x'], 'y'),
    ],
  },
]

const targets = [13, 18, 21, 23]
test.for(cases)(
  '$what computes the same bits in newer operator sets',
  async ({ opset, nodes, inputs, weights, outputs }) => {
    const graph = graphOf({
      nodes,
      inputs: inputs ?? [input(2, 3, 4, 5)],
      outputs: outputs ?? ['y'],
      initializers: weights,
      opset,
    })
    const before = JSON.stringify(graph.nodes.map((each) => [each.op, each.inputs, [...each.attributes.keys()]]))
    const feeds = feedsFor(graph)
    const expected = bytesOf(await runGraph(graph, feeds))
    for (const target of targets) {
      const raised = raiseOpset(graph, target)
      expect(raised.opsets.get('')).toBe(Math.max(target, opset))
      expect(bytesOf(await runGraph(raised, feeds, inlineWeights(raised)))).toEqual(expected)
    }
    expect(JSON.stringify(graph.nodes.map((each) => [each.op, each.inputs, [...each.attributes.keys()]]))).toBe(before)
  },
)

test('branches are raised with the graph around them', async () => {
  const branch = (axis: number) =>
    graphOf({ nodes: [step('Squeeze', ['u'], 't', { axes: ints([axis]) })], inputs: [], outputs: ['t'] })
  const graph = graphOf({
    nodes: [
      step('Unsqueeze', ['x'], 'u', { axes: ints([0, 1]) }),
      node('If', ['c'], ['y'], {
        then_branch: { kind: 'graph', value: branch(0) },
        else_branch: { kind: 'graph', value: branch(1) },
      }),
    ],
    inputs: [input(2, 3)],
    outputs: ['y'],
    initializers: [{ name: 'c', dtype: 'bool', shape: [], data: { inline: Uint8Array.of(1) } }],
    opset: 11,
  })
  const feeds = feedsFor(graph)
  const expected = bytesOf(await runGraph(graph, feeds))
  const raised = raiseOpset(graph, 21)
  expect(bytesOf(await runGraph(raised, feeds, inlineWeights(raised)))).toEqual(expected)
})

test('what cannot be raised is refused with the node and operator named', () => {
  const graph = (op: string, opset: number): Graph =>
    graphOf({ nodes: [step(op, ['x'], 'y')], inputs: [input(1)], outputs: ['y'], opset })
  expect(() => raiseOpset(graph('GroupNormalization', 18), 21)).toThrow(/Node "y": GroupNormalization cannot be raised/)
  expect(() => raiseOpset(graph('Scan', 8), 13)).toThrow(/Scan cannot be raised/)
  expect(() => raiseOpset(graph('Relu', 6), 13)).toThrow(/opset 6 cannot be raised/)
  expect(() => raiseOpset(graph('Relu', 13), 99)).toThrow(/to opset 99/)
  const same = graph('Relu', 21)
  expect(raiseOpset(same, 13)).toBe(same)
})

test.skipIf(!hasData).for(realModels)('$file computes the same bits in opset 21', async (model) => {
  const { graph, source } = readOnnx(pathOf(model))
  const feeds = feedsFor(graph, 2, model.shapes)
  const read = (name: string) => source.read(name)
  const raised = raiseOpset(graph, 21)
  expect(bytesOf(await runGraph(raised, feeds, inlineWeights(raised, read)))).toEqual(
    bytesOf(await runGraph(graph, feeds, read)),
  )
  source.close()
})
