import { expect, test } from 'vitest'
import { parseDescription, readDescription } from '../../../src-main/engine/data/yaml.ts'
import { dataPath, hasData } from '../../helpers/data.ts'

const parse = (text: string) => parseDescription(text, 'data.yaml')

test.skipIf(!hasData).each(['cifar10', 'vit-cifar10', 'mobilenet', 'squeezenet', 'stories260K', 'novels-5m'])(
  '%s is read as it lies',
  (name) => {
    expect(['text', 'image-classification']).toContain(readDescription(dataPath(name, 'data.yaml')).kind)
  },
)

test('all keys of a text description', () => {
  expect(
    parse(`kind: text
text: a.txt
split: { calibrate: 3, seed: 5 }
context: 128
document-separator: "<|endoftext|>"
tokenizer: t.json
begin-token: null`),
  ).toEqual({
    kind: 'text',
    text: 'a.txt',
    split: { calibrate: 3, seed: 5 },
    context: 128,
    'document-separator': '<|endoftext|>',
    tokenizer: 't.json',
    'begin-token': null,
  })
})

test.each([
  ['a typing error', 'kind: text\ntext: a.txt\ncontxt: 5', 'line 3: unknown key "contxt"'],
  [
    'one deep inside',
    'kind: image-classification\nimages: a\npreprocess:\n  crop: 3\n  men: 4',
    'line 5: unknown key "preprocess.men"',
  ],
  ['one in braces', 'kind: text\n\nevaluate: { text: a, label: b }', 'line 3: unknown key "evaluate.label"'],
  ['a wrong type', 'kind: text\ntext: a\ncontext: many', 'line 3: "context"'],
  [
    'a scale of zero',
    'kind: image-classification\nimages: a\npreprocess: { scale: [1, 0, 1] }',
    'line 3: "preprocess.scale": a scale of 0',
  ],
  ['an unknown kind', 'kind: sound', 'line 1: "kind"'],
  ['no kind', 'text: a', 'line 1'],
  ['two documents', 'kind: text\n---\nkind: text', 'found 2'],
  ['nothing', '', 'found 0'],
  ['a list', '- 1', 'line 1'],
  ['broken YAML', 'kind: text\n  text: [', 'line'],
  ['the same key twice', 'kind: text\ntext: a\ntext: b', 'line 3'],
  ['an alias bomb', 'kind: text\na: &a [x]\ntext: *a', 'line'],
  ['deep nesting', `kind: ${'['.repeat(50)}`, 'line 1'],
  ['a foreign tag', 'kind: !!js/function x', 'line'],
  ['a prototype key', 'kind: text\n__proto__: { polluted: 1 }', 'data.yaml'],
])('%s is refused with its line', (_, text, words) => {
  expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'bad-data' }))
  expect(() => parse(text)).toThrow(words)
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
})
