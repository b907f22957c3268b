import { expect, test } from 'vitest'
import { node, type Node } from '../../../src-main/engine/graph/ir.ts'
import { logitsValue } from '../../../src-main/engine/evaluate/output.ts'
import { evaluators } from '../../../src-main/engine/evaluate/registry.ts'
import { describeMethod } from '../../../src-main/engine/method.ts'
import { methodSummarySchema } from '../../../src-preload/contract/methods.ts'
import { networkWith } from '../data/fixtures.ts'

const ending = (nodes: Node[]) => {
  const { graph } = networkWith([])
  if (!graph) throw new Error('no graph')
  return logitsValue({ ...graph, nodes })
}

test('a final softmax is left off, through whatever only reshapes', () => {
  expect(ending([node('Gemm', ['a'], ['y'])])).toBe('y')
  expect(ending([node('Gemm', ['a'], ['l']), node('Softmax', ['l'], ['y'])])).toBe('l')
  expect(ending([node('Softmax', ['l'], ['p']), node('Flatten', ['p'], ['f']), node('Identity', ['f'], ['y'])])).toBe(
    'l',
  )
  expect(ending([node('Softmax', ['l'], ['p']), node('Mul', ['p', 'p'], ['y'])])).toBe('y')
  expect(ending([node('LogSoftmax', ['l'], ['y'])])).toBe('y')
  expect(ending([node('Softmax', ['l'], ['y'], {}, { domain: 'other' })])).toBe('y')
})

test.each(evaluators.map((evaluator) => [evaluator.id, evaluator] as const))('%s describes itself', (id, evaluator) => {
  expect(methodSummarySchema.parse(describeMethod(evaluator))).toMatchObject({ id, family: 'evaluate' })
  const nothing = {
    task: 'other' as const,
    compared: false,
    rows: null,
    clusters: new Int32Array(),
    parity: null,
    speed: { samples: 0, seconds: 0 },
  }
  expect(evaluator.apply(nothing)).toEqual({})
})
