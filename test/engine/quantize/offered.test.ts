import { expect, test } from 'vitest'
import type { Layer } from '../../../src-main/engine/checkpoint/network.ts'
import { offeredOptions, weightedTwin } from '../../../src-main/engine/quantize/offered.ts'
import { contextFor } from '../../../src-main/engine/quantize/weighted.ts'
import type { Option } from '../../../src-preload/contract/plan.ts'

const ggml = (type: string, bits: number, weighted = false): Option => ({
  id: `gguf-${type.toLowerCase()}${weighted ? '-w' : ''}`,
  method: 'ggml',
  bits,
  parameters: { type, ...(weighted ? { weighted } : {}) },
})
const keep: Option = { id: 'keep', method: 'keep', bits: 32, parameters: {} }
const all = [
  ggml('F16', 16),
  ggml('Q4_K', 4.5),
  ggml('Q4_0', 4.5),
  ggml('Q4_K', 4.5, true),
  ggml('Q4_0', 4.5, true),
  keep,
]
const ids = (options: Option[]) => options.map(({ id }) => id)

test('weighted options take the place of their plain twins where importance is known, and are left out elsewhere', () => {
  expect(ids(offeredOptions(all, false))).toEqual(['gguf-f16', 'gguf-q4_k', 'gguf-q4_0', 'keep'])
  expect(ids(offeredOptions(all, true))).toEqual(['gguf-f16', 'gguf-q4_k-w', 'gguf-q4_0-w', 'keep'])
  expect(weightedTwin(ggml('Q4_0', 4.5), all).id).toBe('gguf-q4_0-w')
  expect(weightedTwin(ggml('F16', 16), all).id).toBe('gguf-f16')
  expect(weightedTwin(keep, all)).toBe(keep)
})

test('a weighted option needs a measurement; a layer without an entry in it is rounded plainly', () => {
  const layer = { name: 'w' } as Layer
  const measured = Float32Array.of(1, 2)
  const importance = (name: string) => (name === 'w' ? measured : undefined)
  expect(contextFor(layer, ggml('Q4_K', 4.5, true), importance)).toEqual({ layer: 'w', importance: measured })
  expect(contextFor(layer, ggml('Q4_K', 4.5), importance)).toEqual({ layer: 'w' })
  expect(contextFor({ name: 'embedding' } as Layer, ggml('Q4_K', 4.5, true), importance)).toEqual({
    layer: 'embedding',
  })
  expect(() => contextFor(layer, ggml('Q4_K', 4.5, true), null)).toThrow('needs measured importance')
})
