// Files the command line reads and writes itself: recipes and pages.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readRecipe } from '../../src-main/cli/verbs/run.ts'
import { checkDocument, writeDocument } from '../../src-main/cli/write.ts'
import { Fault } from '../../src-preload/contract/fault.ts'

const scratch = () => {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-cli-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
const faultOf = (act: () => unknown): Fault => {
  try {
    act()
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
  throw new Error('no fault')
}

const option = { id: 'rtn-4-channel', method: 'rtn', bits: 4, parameters: {} }
const recipe = { lathe: 1, checkpoint: { name: 'm', fingerprint: 'f' }, seed: 0, layers: [{ name: 'a', option }] }

test('a recipe is read as it was written', () => {
  const file = join(scratch(), 'recipe.json')
  writeFileSync(file, JSON.stringify(recipe))
  expect(readRecipe(file)).toEqual(recipe)
})

test.each([
  ['bad-input', 'not JSON', '{"lathe":1,'],
  ['bad-input', 'not a recipe', '[]'],
  ['bad-input', 'not a recipe', JSON.stringify({ ...recipe, seed: 0.5 })],
  ['bad-input', 'not a recipe', JSON.stringify({ ...recipe, layers: [{ name: 'a' }] })],
  ['bad-input', 'names a twice', JSON.stringify({ ...recipe, layers: [...recipe.layers, ...recipe.layers] })],
  ['unsupported', 'version 2', JSON.stringify({ ...recipe, lathe: 2 })],
  ['bad-input', 'not a recipe', JSON.stringify({ ...recipe, lathe: 0 })],
])('%s: %s', (code, words, text) => {
  const file = join(scratch(), 'recipe.json')
  writeFileSync(file, text)
  const fault = faultOf(() => readRecipe(file))
  expect(fault).toMatchObject({ code, data: { file } })
  expect(fault.message).toContain(words)
  expect(fault.message).toContain(file)
})

test('no file, a folder, a device and a file beyond all recipes', () => {
  const folder = scratch()
  expect(faultOf(() => readRecipe(join(folder, 'none.json')))).toMatchObject({ code: 'not-found' })
  expect(faultOf(() => readRecipe(folder)).message).toContain('not a plain file')
  expect(faultOf(() => readRecipe('/dev/zero')).message).toContain('not a plain file')
  const huge = join(folder, 'huge.json')
  writeFileSync(huge, Buffer.alloc((64 << 20) + 1))
  expect(faultOf(() => readRecipe(huge))).toMatchObject({ code: 'too-large' })
})

test('a document is written whole, and replaces an older one', () => {
  const folder = scratch()
  const file = join(folder, 'recipe.json')
  writeDocument(file, 'one')
  writeDocument(file, 'two')
  expect(readFileSync(file, 'utf8')).toBe('two')
  expect(readdirSync(folder)).toEqual(['recipe.json'])
})

test('what cannot be written says where and how much, and leaves nothing', () => {
  const folder = scratch()
  mkdirSync(join(folder, 'taken'))
  const fault = faultOf(() => writeDocument(join(folder, 'taken'), 'text'))
  expect(fault).toMatchObject({ code: 'disk' })
  expect(fault.message).toContain(`${join(folder, 'taken')} (4 bytes needed)`)
  expect(readdirSync(folder)).toEqual(['taken'])
})

test('sources, folders and links are refused before any work', () => {
  const folder = scratch()
  const model = join(folder, 'model.onnx')
  writeFileSync(model, 'weights')
  symlinkSync(model, join(folder, 'link.json'))
  const refused = (file: string, sources: string[] = [model]) => faultOf(() => checkDocument(file, sources)).message
  expect(refused(model)).toContain('never written to')
  expect(refused(model, [folder])).toContain('never written to')
  expect(refused(folder)).toContain('is a folder')
  expect(refused(join(folder, 'link.json'))).toContain('not a plain file')
  expect(refused(join(folder, 'none', 'x.json'))).toContain('there is no folder')
  expect(() => checkDocument(join(folder, 'new.json'), [model])).not.toThrow()
  expect(() => checkDocument(undefined, [model])).not.toThrow()
})
