import { expect, test } from 'vitest'
import { anchorsOf } from '../../../src-main/engine/score/anchors.ts'
import { frontierOf } from '../../../src-main/engine/score/frontier.ts'
import { node, type Graph, type Initializer } from '../../../src-main/engine/graph/ir.ts'

const rounded = (id: string, error: number) => ({ id, method: 'rtn', error })

test('the ends and the middle of each kind are measured, but not what was measured before', () => {
  const candidates = [2, 3, 4, 5, 6, 8].map((bits) => rounded(`${bits}`, 4 ** -bits))
  expect([...anchorsOf(candidates, [])].sort()).toEqual(['2', '5', '8'])
  expect([...anchorsOf(candidates.slice(1), [rounded('2', 4 ** -2)])].sort()).toEqual(['5', '8'])
  expect([...anchorsOf([rounded('4b', 4 ** -5.1)], [rounded('4', 4 ** -5)])]).toEqual([])
  expect([...anchorsOf([rounded('exact', 0)], [])]).toEqual([])
})

const initializer = (name: string): [string, Initializer] => [
  name,
  { name, dtype: 'float32', shape: [2, 2], data: { source: name } },
]

/** x -> a = x Wa -> b = a Wb, c = a Wc -> y = b + c * scale, scale = Exp(constant) */
const forked: Graph = {
  name: 'forked',
  irVersion: 8,
  opsets: new Map([['', 17]]),
  nodes: [
    node('Exp', ['k'], ['scale']),
    node('MatMul', ['x', 'Wa'], ['a']),
    node('MatMul', ['a', 'Wb'], ['b']),
    node('MatMul', ['a', 'Wc'], ['c']),
    node('Mul', ['c', 'scale'], ['d']),
    node('Add', ['b', 'd'], ['y']),
  ],
  inputs: [{ name: 'x', dtype: 'float32', shape: [null, 2] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: [null, 2] }],
  initializers: new Map(['Wa', 'Wb', 'Wc', 'k'].map(initializer)),
  values: new Map(),
  functions: [],
  metadata: new Map(),
  producer: '',
}

test('only what depends on a weight is run again; what never changes stays in the graph', () => {
  expect(frontierOf(forked, new Set(['Wa']))).toEqual([]) // everything, from the input on
  expect(frontierOf(forked, new Set(['Wb']))?.sort()).toEqual(['a', 'd'])
  expect(frontierOf(forked, new Set(['Wc']))?.sort()).toEqual(['a', 'b'])
  expect(frontierOf(forked, new Set(['Wb', 'Wc']))?.sort()).toEqual(['a'])
  expect(frontierOf(forked, new Set(['elsewhere']))).toBeNull()
})
