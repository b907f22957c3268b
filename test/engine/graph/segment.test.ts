import { expect, test } from 'vitest'
import { int, node } from '../../../src-main/engine/graph/ir.ts'
import { cutBefore, segment } from '../../../src-main/engine/graph/segment.ts'
import { createTypes } from '../../../src-main/engine/graph/types.ts'
import { graphOf, step, weight } from '../onnx/build.ts'
import { bytesOf, feedsFor, runGraph } from '../onnx/run.ts'

const graph = graphOf({
  nodes: [
    step('MatMul', ['x', 'a'], 'h'),
    node('Split', ['h'], ['left', 'right'], { axis: int(1) }),
    step('Shape', ['left'], 'shape'),
    step('MatMul', ['left', 'b'], 'm'),
    step('Add', ['m', 'right'], 's'),
    step('Greater', ['s', 'x2'], 'mask'),
    step('Where', ['mask', 's', 'right'], 'y'),
    step('Relu', ['x2'], 'unused'),
  ],
  inputs: [
    { name: 'x', dtype: 'float32', shape: [2, 6] },
    { name: 'x2', dtype: 'float32', shape: [2, 3] },
  ],
  outputs: ['y', 'unused'],
  initializers: [weight('a', [6, 6]), weight('b', [3, 3], 2)],
})

test('keeps what is needed and nothing else', () => {
  const part = segment(graph, { outputs: ['y'] })
  expect(part.nodes.map((each) => each.op)).toEqual(['MatMul', 'Split', 'MatMul', 'Add', 'Greater', 'Where'])
  const rest = segment(graph, { inputs: ['left', 'right'], outputs: ['y'] })
  expect(rest.nodes.map((each) => each.op)).toEqual(['MatMul', 'Add', 'Greater', 'Where'])
  expect(rest.inputs.map((each) => each.name)).toEqual(['left', 'right', 'x2'])
  expect([...rest.initializers.keys()]).toEqual(['b'])
  expect(graph.nodes).toHaveLength(8)
})

test('both halves together compute what the whole does, even where a cut goes through the results of one node', async () => {
  const feeds = feedsFor(graph)
  const whole = await runGraph(graph, feeds)
  for (const cut of [['h'], ['left', 'right'], ['left'], ['s', 'right'], ['mask', 's']]) {
    const before = await runGraph(segment(graph, { outputs: cut }), feeds)
    const after = await runGraph(segment(graph, { inputs: cut, outputs: ['y'] }), { ...feeds, ...before })
    expect(bytesOf(after)['y']).toEqual(bytesOf(whole)['y'])
  }
})

test('types of values follow from operators', () => {
  const types = createTypes(graph)
  expect(['h', 'shape', 'mask', 'y', 'right'].map(types)).toEqual(['float32', 'int64', 'bool', 'float32', 'float32'])
})

test('names that the graph does not have are refused', () => {
  expect(() => segment(graph, { outputs: ['nowhere'] })).toThrow(/no value "nowhere"/)
  expect(() => cutBefore(graph, { index: 0, name: 'b', layers: [], inputs: ['gone'] })).toThrow(/no value "gone".*"b"/)
})
