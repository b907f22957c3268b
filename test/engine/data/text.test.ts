import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { suspicion } from '../../../src-main/engine/data/text/regex.ts'
import { openTokenizer } from '../../../src-main/engine/data/text/tokenizer.ts'
import { cutDocuments, cutWindows } from '../../../src-main/engine/data/text/windows.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { allBatches, networkWith, scratch } from './fixtures.ts'

test('documents are cut at the separator and lose newlines at both ends only', () => {
  expect(cutDocuments('\n a\nb \n\n<S>\n<S>c', '<S>')).toEqual([' a\nb ', 'c'])
  expect(cutDocuments('a\n', undefined)).toEqual(['a'])
})

test('windows cover every token once, in order, but for a last single one', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.nat(9), { maxLength: 30 }), { maxLength: 6 }),
      fc.integer({ min: 2, max: 9 }),
      (pieces, size) => {
        const { tokens, windows, dropped } = cutWindows(pieces, size)
        expect([...tokens]).toEqual(pieces.flat())
        expect(windows.reduce((sum, window) => sum + window.length, 0) + dropped).toBe(tokens.length)
        expect(windows.every((window) => window.length >= 2 && window.length <= size)).toBe(true)
        expect(dropped).toBe(pieces.filter((piece) => piece.length % size === 1).length)
      },
    ),
    { seed: 2 },
  )
})

/** Patterns in use: GPT-2, GPT-4, Llama 3, Qwen 2, digits. */
const harmless = [
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}]*[\\p{Ll}\\p{Lo}]+(?i:'s|'t|'re)?|\\p{N}{1,3}",
  '\\d',
  '[^(\\s|[.,!?…。，、।۔،])]+',
  '(?:ab)+',
]
const suspicious = [
  '(a+)+',
  '(a|a)*',
  '(\\w+\\s?)*$',
  '((a)*)*',
  '(a{2,})+',
  '(?:x|xx){5,}',
  '(?<=a)b',
  '(a)\\1',
  'a'.repeat(30_000),
  '(a',
  'a)',
]

test.each(harmless)('%s may be used', (pattern) => expect(suspicion(pattern)).toBeNull())
test.each(suspicious)('%.30s is refused', (pattern) => expect(suspicion(pattern)).not.toBeNull())

const plain = (more: object = {}) => ({
  version: '1.0',
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: null,
  decoder: null,
  model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2, Ġ: 3 }, merges: ['a b'], unk_token: null },
  ...more,
})
const tokenizerFile = (document: unknown, folder = scratch()) => {
  const path = join(folder, 'tokenizer.json')
  writeFileSync(path, typeof document === 'string' ? document : JSON.stringify(document))
  return path
}

test('merges apply', () => {
  expect(openTokenizer(tokenizerFile(plain())).encode('ab ba', 'text')).toEqual([2, 3, 1, 0])
})

test.each([
  ['not JSON', '{', 'JSON'],
  ['two models', '{"model": {}, "model": {}}', 'duplicate key'],
  ['too deep', '['.repeat(100_000), 'nested deeper'],
  ['an unknown model', plain({ model: { type: 'Neural', vocab: { a: 0 } } }), 'Neural'],
  ['no vocabulary', plain({ model: { type: 'BPE', vocab: {}, merges: [] } }), 'vocabulary of 0'],
  ['a negative id', plain({ model: { type: 'BPE', vocab: { a: -1 }, merges: [] } }), 'has the id -1'],
  ['an id of 2^31', plain({ model: { type: 'BPE', vocab: { a: 2 ** 31 }, merges: [] } }), 'has the id'],
  ['a fraction', plain({ model: { type: 'BPE', vocab: { a: 0.5 }, merges: [] } }), 'has the id 0.5'],
  ['an empty added token', plain({ added_tokens: [{ id: 5, content: '' }] }), 'added token 0'],
  [
    'a pattern that explodes',
    plain({ pre_tokenizer: { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Isolated', invert: false } }),
    'could run for ever',
  ],
  ['an unknown pre-tokenizer', plain({ pre_tokenizer: { type: 'Oracle' } }), 'Oracle'],
])('%s is refused', (_, document, words) => {
  const path = tokenizerFile(document)
  expect(() => openTokenizer(path)).toThrow(words)
  expect(() => openTokenizer(path)).toThrow(path)
})

test('a text that takes too long is stopped', () => {
  // Quadratic, not exponential: the pattern passes, the clock catches it.
  const document = plain({
    pre_tokenizer: { type: 'Split', pattern: { Regex: 'a*a*a*b' }, behavior: 'Isolated', invert: false },
  })
  const tokenizer = openTokenizer(tokenizerFile(document), 200)
  const started = performance.now()
  expect(() => tokenizer.encode('a'.repeat(20_000), 'document 0')).toThrow('took longer')
  expect(performance.now() - started).toBeLessThan(5000)
})

const ids = { name: 'input_ids', dtype: 'int64' as const, shape: ['batch', 'time'] }
const language = (folder: string, beginToken: number | null, inputs = [ids]): Network =>
  networkWith(inputs, {
    path: join(folder, 'model.onnx'),
    head: { hidden: 'h', weight: 'w', vocabulary: 4, width: 2, context: 64, beginToken },
  })

function corpus(text: string): string {
  const folder = scratch()
  tokenizerFile(plain(), folder)
  writeFileSync(join(folder, 'text.txt'), text)
  writeFileSync(
    join(folder, 'data.yaml'),
    'kind: text\nevaluate: { text: text.txt }\ncontext: 4\ndocument-separator: "|"',
  )
  return folder
}

test('every token after the begin token is predicted; short windows are filled up and not scored', async () => {
  const folder = corpus('aaaaa|bb')
  const dataset = await openDataset({ path: folder, split: 'auto' }, language(folder, 3))
  expect(dataset.evaluate.ids()).toEqual(['text.txt#0', 'text.txt#1', 'text.txt#2'])
  const [batch] = await allBatches(dataset.evaluate, { batchSize: 8 })
  expect(batch?.feeds.input_ids?.dims).toEqual([3, 3])
  expect([...((batch?.feeds.input_ids?.data as BigInt64Array) ?? [])].map(Number)).toEqual([3, 0, 0, 3, 0, 0, 3, 1, 0])
  expect([...(batch?.targets ?? [])]).toEqual([0, 0, 0, 0, 0, -1, 1, 1, -1])
  expect(dataset.details.predicted).toBe('7')
})

test('without a begin token the first token of a window is not predicted, and that is said', async () => {
  const folder = corpus('abba')
  const dataset = await openDataset({ path: folder, split: 'auto' }, language(folder, null))
  const [batch] = await allBatches(dataset.evaluate, { batchSize: 8 })
  expect([...((batch?.feeds.input_ids?.data as BigInt64Array) ?? [])].map(Number)).toEqual([2, 1])
  expect([...(batch?.targets ?? [])]).toEqual([1, 0])
  expect(dataset.notices.join()).toContain('no begin token')
})

test('companions of the token input are filled in; strangers are refused', async () => {
  const folder = corpus('abab')
  const more = [
    ids,
    { name: 'attention_mask', dtype: 'int64' as const, shape: ['batch', 'all'] },
    { name: 'position_ids', dtype: 'int64' as const, shape: ['batch', 'time'] },
    { name: 'past_key_values.0.key', dtype: 'float32' as const, shape: ['batch', 2, 'past', 8] },
  ]
  const network = language(folder, 3)
  const dataset = await openDataset(
    { path: folder, split: 'auto' },
    { ...network, graph: network.graph && { ...network.graph, inputs: more } },
  )
  const [batch] = await allBatches(dataset.evaluate, { batchSize: 1 })
  expect([...((batch?.feeds.position_ids?.data as BigInt64Array) ?? [])]).toEqual([0n, 1n])
  expect([...((batch?.feeds.attention_mask?.data as BigInt64Array) ?? [])]).toEqual([1n, 1n])
  expect(batch?.feeds['past_key_values.0.key']?.dims).toEqual([1, 2, 0, 8])
  const strange = { ...network, graph: network.graph && { ...network.graph, inputs: [ids, { ...ids, name: 'mood' }] } }
  await expect(openDataset({ path: folder, split: 'auto' }, strange)).rejects.toThrow('"mood"')
})

test('bad text is named: not UTF-8, empty, foreign tokens, no tokenizer', async () => {
  const folder = corpus('abab')
  const network = language(folder, 3)
  const open = () => openDataset({ path: folder, split: 'auto' }, network)
  writeFileSync(join(folder, 'text.txt'), Buffer.from([97, 98, 0xff, 97]))
  await expect(open()).rejects.toMatchObject({ code: 'bad-data', data: { offset: 2 } })
  writeFileSync(join(folder, 'text.txt'), '\n|\n')
  await expect(open()).rejects.toThrow('empty or too short')
  writeFileSync(join(folder, 'text.txt'), 'abab')
  tokenizerFile(
    plain({ model: { type: 'BPE', vocab: { a: 0, b: 9, ab: 2, Ġ: 3 }, merges: [], unk_token: null } }),
    folder,
  )
  await expect(open()).rejects.toThrow("token 9 is outside the network's vocabulary")
  await expect(openDataset({ path: folder, split: 'auto' }, language('/nowhere', 3))).rejects.toThrow(
    '/nowhere/tokenizer.json',
  )
})

test('a bare text file is split by windows', async () => {
  const folder = corpus('ab'.repeat(2000))
  const dataset = await openDataset({ path: join(folder, 'text.txt'), split: 'auto' }, language(folder, 3))
  expect(dataset.calibrate.samples + dataset.evaluate.samples).toBe(Math.ceil(2000 / 63))
  const shared = new Set(dataset.calibrate.ids())
  expect(dataset.evaluate.ids().some((id) => shared.has(id))).toBe(false)
})

test.skipIf(!hasData)('real tokenizers give back the text they were given', () => {
  for (const name of ['stories260K', 'novels-5m']) {
    const tokenizer = openTokenizer(dataPath(name, 'tokenizer.json'))
    expect(tokenizer.encode('Once upon a time', 'text').length).toBeGreaterThan(3)
  }
})
