// Whatever a configuration says, building its graph ends soon, and in a graph or a Fault that names the file.
import { expect, test } from 'vitest'
import { parseJsonObject } from '../../../src-main/engine/checkpoint/json.ts'
import type { TensorInfo } from '../../../src-main/engine/checkpoint/network.ts'
import { Settings } from '../../../src-main/engine/graph/families/config.ts'
import { modelFamilies } from '../../../src-main/engine/graph/families/registry.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { familyCases } from './golden.ts'
import { networkCases, type NetworkCase } from './golden-case.ts'

const values: unknown[] = [
  ...[null, true, '', 'x', '__proto__', [], [1], [0, 0], ['a'], {}, { '0': 'a' }, { constructor: 1 }],
  ...[-1, 0, 1, 2, 3, 7, 1.5, 64, 8192, 65536, 1e9, 2 ** 53, 1e300],
]

type Plain = Record<string, unknown>
const isPlain = (value: unknown): value is Plain => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The configuration with one field after another, also of its sections, set to each value. */
function* mutants(config: Plain): Generator<{ config: Plain; field: string }> {
  for (const [field, old] of Object.entries(config)) {
    if (field === 'model_type' || field === 'architectures') continue
    for (const value of values) yield { config: { ...config, [field]: value }, field }
    if (!isPlain(old) || field === 'id2label') continue
    for (const inner of mutants(old))
      yield { config: { ...config, [field]: inner.config }, field: `${field}.${inner.field}` }
  }
}

const tensorsOf = (golden: Pick<NetworkCase, 'tensors'>): Map<string, TensorInfo> =>
  new Map(
    Object.entries(golden.tensors).map(([name, shape]) => {
      const bytes = 4 * shape.reduce((product, size) => product * size, 1)
      return [name, { name, dtype: 'float32', shape, bytes, file: 'model.safetensors' }]
    }),
  )

const names = ['bert_masked', 'roberta_classes', 'distilbert_features', 'vit_classes', 'deit_teacher', 'swin_padded']
const encoders = [...networkCases('encoder'), ...networkCases('vision')].filter(({ name }) =>
  [...names, 'clip_end', 'llava_new', 'llava_siglip'].includes(name),
)
const chosen: Pick<NetworkCase, 'name' | 'config' | 'tensors'>[] = [...encoders, ...familyCases]

test('the cases are all there', () => {
  expect(encoders).toHaveLength(9)
  expect(familyCases.length).toBeGreaterThan(20)
})

test.each(chosen)('$name with any field broken', (golden) => {
  const tensors = tensorsOf(golden)
  const family = modelFamilies.find(({ id }) => id === golden.config.model_type)
  let [built, refused, slowest] = [0, 0, 0]
  for (const { config, field } of mutants(golden.config)) {
    const started = performance.now()
    try {
      const map = parseJsonObject(new TextEncoder().encode(JSON.stringify(config)), 'config.json')
      family?.build(new Settings(map, 'config.json'), tensors)
      built++
    } catch (error) {
      if (!(error instanceof Fault)) throw new Error(`${field}: ${JSON.stringify(config)}`, { cause: error })
      expect(['bad-input', 'unsupported'], error.message).toContain(error.code)
      expect(error.message).toContain('.') // a file
      refused++
    }
    slowest = Math.max(slowest, performance.now() - started)
  }
  expect(built).toBeGreaterThan(0)
  expect(refused).toBeGreaterThan(50)
  expect(slowest).toBeLessThan(1000)
})
