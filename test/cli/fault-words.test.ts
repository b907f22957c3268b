import { expect, test } from 'vitest'
import { explain } from '../../src-main/cli/fault-words.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import { infeasible } from '../../src-main/engine/allocate/limits.ts'

test('a fault says where, what was expected and found, and what to do', () => {
  const data = { file: '/m/a.onnx', offset: 12, expected: 'float32', found: 'int4', tensor: 'w' }
  expect(explain(new Fault('bad-input', '/m/a.onnx: w is of type int4.', { hint: 'Export it again.', data }))).toBe(
    ['lathe: /m/a.onnx: w is of type int4.', '  offset: 12', '  expected: float32', '  hint: Export it again.'].join(
      '\n',
    ),
  )
})

test('bounds that contradict each other: the nearest plans in words, nothing in the notation of programs', () => {
  const limits = { objective: 'loss' as const, maxBytes: 1000, maxLoss: 0.01 }
  const fault = infeasible(limits, {
    maxBytes: { bytes: 138_209, loss: 0.0099, seconds: 0.0013 },
    maxLoss: { bytes: 990, loss: 5.744, seconds: null },
  })
  const words = explain(fault)
  expect(words).toContain(
    '  nearest: 138.2 kB, predicted loss 9.90e-3, 1.30 ms a sample; or 990 B, predicted loss 5.7440',
  )
  expect(words).not.toMatch(/[{}[\]"]|expected:|bounds/)
})
