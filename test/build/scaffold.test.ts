import { expect, test } from 'vitest'
import { addToRegistry, camelCase, migration, scaffold } from '../../build/scaffold.ts'

const registry = `import type { Quantizer } from './define.ts'
import { rtn } from './rtn.ts'

/** Every quantizer. */
export const quantizers: readonly Quantizer[] = [rtn]
`

test('a registry gets one import and one entry', () => {
  expect(addToRegistry(registry, 'hqqPlus', './hqq-plus.ts')).toBe(`import type { Quantizer } from './define.ts'
import { rtn } from './rtn.ts'
import { hqqPlus } from './hqq-plus.ts'

/** Every quantizer. */
export const quantizers: readonly Quantizer[] = [rtn, hqqPlus]
`)
  expect(addToRegistry('export const scores: Score[] = []\n', 'lim', './lim.ts')).toBe(
    "import { lim } from './lim.ts'\nexport const scores: Score[] = [lim]\n",
  )
  expect(() => addToRegistry(registry, 'rtn', './rtn.ts')).toThrow('already holds ./rtn.ts')
  expect(() => addToRegistry('export const none = {}', 'a', './a.ts')).toThrow('no list')
})

test('the new file and its test name the method alike', () => {
  expect(camelCase('a-2b-c')).toBe('a2bC')
  const { method, test: text } = scaffold('quantize', 'hqq-plus', 'defineQuantizer', 'quantizers', registry)
  expect(method).toContain("export const hqqPlus = defineQuantizer({\n  id: 'hqq-plus',")
  expect(text).toContain("import { hqqPlus } from '../../../src-main/engine/quantize/hqq-plus.ts'")
  expect(text).toContain('is not written yet') // it fails until the method is there
})

test('a rewriting of activations stands in the list of all rewritings', () => {
  const list = "import { rotate } from './rotate.ts'\nexport const preparations: Preparation[] = [rotate]\n"
  const made = scaffold('activate', 'int-row', 'definePreparation', 'preparations', list)
  expect(made.registry).toContain("import { intRow } from '../activate/int-row.ts'\n")
  expect(made.registry).toContain('= [rotate, intRow]')
  expect(made.method).toContain("import { definePreparation } from '../prepare/define.ts'")
  expect(made.method).toContain("family: 'activate',")
  expect(made.test).toContain("import { preparations } from '../../../src-main/engine/prepare/registry.ts'")
})

test('levers share the shape of quantizers; rewrites of the graph lie deeper and stand in the list of rewritings', () => {
  const empty = 'export const sparsifiers: readonly Quantizer[] = []\n'
  const sparse = scaffold('sparsify', 'random-mask', 'defineCompressor', 'sparsifiers', empty)
  expect(sparse.method).toContain("import { defineCompressor } from '../quantize/define.ts'")
  expect(sparse.registry).toContain("import { randomMask } from './random-mask.ts'\n")
  const list = "import { rotate } from './rotate.ts'\nexport const preparations: Preparation[] = [rotate]\n"
  const rewrite = scaffold('rewrite', 'merge-blocks', 'definePreparation', 'preparations', list)
  expect(rewrite.method).toContain("import { definePreparation } from '../../prepare/define.ts'")
  expect(rewrite.method).toContain("from '../../../../src-preload/contract/fault.ts'")
  expect(rewrite.registry).toContain("import { mergeBlocks } from '../graph/rewrites/merge-blocks.ts'\n")
  expect(rewrite.test).toContain("from '../../../../src-main/engine/graph/rewrites/merge-blocks.ts'")
})

test('a migration is numbered by tens after the last', () => {
  const migrations = "import { initial } from './0010-initial.ts'\nexport const migrations: Migration[] = [initial]\n"
  const added = migration('add-notes', migrations)
  expect(added.file).toBe('0020-add-notes.ts')
  expect(added.text).toContain("export const addNotes: Migration = {\n  version: 20,\n  title: 'add notes',")
  expect(added.registry).toContain("import { addNotes } from './0020-add-notes.ts'\n")
  expect(added.registry).toContain('= [initial, addNotes]')
})
