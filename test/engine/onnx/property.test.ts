import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeModel, measureModel, streamModel } from '../../../src-main/engine/checkpoint/onnx/encode.ts'
import { readOnnxFrom } from '../../../src-main/engine/checkpoint/onnx/read.ts'
import { bytesRange } from '../../../src-main/engine/checkpoint/onnx/wire.ts'
import { type Attribute, bitsOf, dataTypes, type Graph, type Initializer } from '../../../src-main/engine/graph/ir.ts'
import { raiseOpset } from '../../../src-main/engine/graph/opset.ts'
import { analyse } from '../../../src-main/engine/graph/structure.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { graphOf, step, weight } from './build.ts'
import { inlineWeights } from './run.ts'

const seed = Number(process.env.LATHE_SEED ?? 20_260_101)
const options = (numRuns: number) => ({ seed, numRuns }) // a failing property prints both, and the path to shrink from
const open = (file: Uint8Array) => readOnnxFrom(bytesRange(file, '/models/model.onnx'))

const bytesValue = fc.uint8Array({ maxLength: 40 })
const attribute: fc.Arbitrary<Attribute> = fc.oneof(
  fc.record({ kind: fc.constant('int' as const), value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) }),
  fc.record({ kind: fc.constant('float' as const), value: fc.float({ noNaN: true }) }),
  fc.record({ kind: fc.constant('string' as const), value: bytesValue }),
  fc.record({
    kind: fc.constant('ints' as const),
    value: fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { maxLength: 9 }),
  }),
  fc.record({ kind: fc.constant('floats' as const), value: fc.array(fc.float({ noNaN: true }), { maxLength: 9 }) }),
  fc.record({ kind: fc.constant('strings' as const), value: fc.array(bytesValue, { maxLength: 5 }) }),
)
const numeric = dataTypes.filter((dtype) => bitsOf[dtype] > 0)
const initializer: fc.Arbitrary<Omit<Initializer, 'name'>> = fc
  .record({ dtype: fc.constantFrom(...numeric), shape: fc.array(fc.nat(5), { maxLength: 4 }), fill: fc.nat(255) })
  .map(({ dtype, shape, fill }) => {
    const count = shape.reduce((product, dim) => product * dim, 1)
    return { dtype, shape, data: { inline: new Uint8Array(Math.ceil((count * bitsOf[dtype]) / 8)).fill(fill) } }
  })
const name = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12 }),
  fc.constantFrom('__proto__', 'constructor', 'größe/0'),
)

/** Random chains of nodes of a foreign domain, which may carry anything, with initializers of any type. */
const anyGraph: fc.Arbitrary<Graph> = fc
  .record({
    attributes: fc.array(fc.dictionary(name, attribute, { maxKeys: 4 }), { minLength: 1, maxLength: 12 }),
    initializers: fc.dictionary(name, initializer, { maxKeys: 6 }),
    metadata: fc.dictionary(name, fc.string(), { maxKeys: 3 }),
    nested: fc.boolean(),
  })
  .map(({ attributes, initializers, metadata, nested }) => {
    const weights = Object.entries(initializers).map(([key, value]): Initializer => ({ ...value, name: `w.${key}` }))
    const nodes = attributes.map((values, i) => ({
      ...step('Any', [i === 0 ? 'in x' : `v${i - 1}`, ...weights.map((each) => each.name)], `v${i}`, values),
      domain: 'acme',
    }))
    const last = `v${attributes.length - 1}`
    const graph = graphOf({
      nodes,
      inputs: [{ name: 'in x', dtype: 'float16', shape: [null, 'N', 3] }],
      outputs: [last],
      initializers: weights,
    })
    graph.opsets.set('acme', 3)
    graph.metadata = new Map(Object.entries(metadata))
    if (nested) {
      const branch = graphOf({ nodes: [step('Relu', [last], 't')], inputs: [], outputs: ['t'] })
      graph.nodes.push(step('If', ['in x'], 'z', { then_branch: { kind: 'graph', value: branch } }))
    }
    return graph
  })

test('random graphs come back as they were written, at the length that was measured', () => {
  fc.assert(
    fc.property(anyGraph, (graph) => {
      const encoded = encodeModel(graph, inlineWeights(graph))
      const chunks: Uint8Array[] = []
      streamModel(graph, inlineWeights(graph), (chunk) => chunks.push(chunk.slice()))
      const { graph: read, source } = open(encoded)
      expect(measureModel(graph)).toBe(encoded.length)
      expect(Buffer.compare(Buffer.concat(chunks), encoded)).toBe(0)
      const head = (each: Graph) => ({
        inputs: each.inputs,
        opsets: each.opsets,
        metadata: each.metadata,
        producer: each.producer,
      })
      expect(head(read)).toEqual(head(graph))
      expect(read.nodes.map((node) => [node.op, node.inputs, node.outputs])).toEqual(
        graph.nodes.map((node) => [node.op, node.inputs, node.outputs]),
      )
      expect(read.nodes.slice(0, -1).map((node) => node.attributes)).toEqual(
        graph.nodes.slice(0, -1).map((node) => node.attributes),
      )
      for (const each of graph.initializers.values()) {
        expect(source.read(each.name)).toEqual('inline' in each.data ? each.data.inline : null)
      }
      expect(
        Buffer.compare(
          encodeModel(read, (key) => source.read(key)),
          encoded,
        ),
      ).toBe(0)
    }),
    options(300),
  )
})

const small = (() => {
  const branch = graphOf({
    nodes: [step('MatMul', ['f', 'inner.weight'], 't')],
    inputs: [],
    outputs: ['t'],
    initializers: [weight('inner.weight', [2, 2])],
  })
  const graph = graphOf({
    nodes: [
      step('Conv', ['x', 'conv.weight', 'conv.bias'], 'c', { pads: { kind: 'ints', value: [1n, 1n, 1n, 1n] } }),
      step('Relu', ['c'], 'r'),
      step('GlobalAveragePool', ['r'], 'g'),
      step('Flatten', ['g'], 'f'),
      step('If', ['f'], 'y', {
        then_branch: { kind: 'graph', value: branch },
        else_branch: { kind: 'graph', value: branch },
      }),
    ],
    inputs: [{ name: 'x', dtype: 'float32', shape: ['N', 3, 8, 8] }],
    outputs: ['y'],
    initializers: [weight('conv.weight', [2, 3, 3, 3]), weight('conv.bias', [2])],
    opset: 12,
  })
  return encodeModel(graph, inlineWeights(graph))
})()

const mutation = fc.record({
  at: fc.nat(small.length - 1),
  kind: fc.nat(4),
  value: fc.nat(255),
  count: fc.integer({ min: 1, max: 9 }),
})

/** Overwrite, flip a bit, cut off, delete, repeat. */
function mutate(file: Uint8Array, change: { at: number; kind: number; value: number; count: number }): Uint8Array {
  const { at, kind, value, count } = change
  const before = file.subarray(0, at)
  if (kind === 2) return before.length > 4 ? before : file
  if (kind === 3) return Buffer.concat([before, file.subarray(at + count)])
  if (kind === 4) return Buffer.concat([file.subarray(0, at + count), file.subarray(at)])
  const out = Uint8Array.from(file)
  out[at] = kind === 0 ? value : (out[at] ?? 0) ^ (1 << (value & 7))
  return out
}

test('30,000 mutated files: read or refused with a Fault that is no defect, and what is read can be used', () => {
  let read = 0
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (changes) => {
      try {
        const { graph, source } = open(changes.reduce(mutate, small))
        read++
        analyse(graph, source.tensors)
        raiseOpset(graph, 21)
        expect(encodeModel(graph, (key) => source.read(key))).toHaveLength(measureModel(graph))
      } catch (error) {
        if (!(error instanceof Fault) || error.code === 'internal') throw error
      }
    }),
    options(30_000),
  )
  expect(read).toBeGreaterThan(1500) // the mutations are not all of the kind that the first check refuses
})
