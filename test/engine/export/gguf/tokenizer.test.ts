import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Metadata } from '../../../../src-main/engine/checkpoint/gguf/metadata.ts'
import { type JsonMap, parseJsonObject } from '../../../../src-main/engine/checkpoint/json.ts'
import { openTokenizer } from '../../../../src-main/engine/data/text/tokenizer.ts'
import { partsOf } from '../../../../src-main/engine/export/gguf/tokenizer/document.ts'
import { tokenizerMetadata } from '../../../../src-main/engine/export/gguf/tokenizer/metadata.ts'
import { preTokenizerOf } from '../../../../src-main/engine/export/gguf/tokenizer/pre.ts'
import { convert } from '../../../../src-main/engine/tasks/convert.ts'
import { dataPath, hasData } from '../../../helpers/data.ts'
import { hasLlama, openLlama } from '../../../helpers/llama.ts'
import { faultOf, temporaryFolder } from '../../checkpoint/temporary.ts'

const quiet = { progress: () => undefined, notify: () => undefined }
const parse = (document: object): JsonMap =>
  parseJsonObject(new TextEncoder().encode(JSON.stringify(document)), 't.json')
const metadata = (document: object, rows: number, config: object = {}, pre: string | null = null): Metadata =>
  tokenizerMetadata({ tokenizer: { file: 't.json', read: () => parse(document) }, chatTemplate: null, config: parse(config) }, rows, pre) // prettier-ignore
const list = (found: Metadata, key: string): unknown => {
  const value = found.get(`tokenizer.ggml.${key}`)
  return value?.type === 'array' ? [...value.values()] : value?.value
}

const cases = ['novels-5m', 'stories260K']
const tricky = ['', ' ', '  two  blanks ', '\n\n\t x\r\n', 'naïve café — 12,345.67!', '日本語とемодзи 🙂🙂', "it's we'll I'D", '\u0000\u0007', '<s>no</s>'] // prettier-ignore

describe.skipIf(!hasData || !hasLlama)('llama.cpp cuts text into the same tokens', () => {
  test.each(cases)('%s: all of valid.txt, and texts with traps', async (name) => {
    const path = join(temporaryFolder(), 'm.gguf')
    await convert({ checkpoint: dataPath(name), format: 'gguf', parameters: { type: 'Q8_0' }, path, overwrite: false, importance: null }, quiet) // prettier-ignore
    const tokenizer = openTokenizer(dataPath(name, 'tokenizer.json'))
    const llama = await openLlama(path)
    try {
      const documents = readFileSync(dataPath(name, 'valid.txt'), 'utf8').split('<|endoftext|>')
      let tokens = 0
      for (const text of [...documents, ...tricky.filter((each) => !each.includes('<s>') && each !== '')]) {
        const ours = tokenizer.encode(text, name)
        tokens += ours.length
        expect(llama.tokenize(text)).toEqual(ours)
      }
      expect(tokens).toBeGreaterThan(40_000)
    } finally {
      await llama.close()
    }
  })
})

const byteLevel = { type: 'ByteLevel', add_prefix_space: false, use_regex: true }
const cutting = (regex: string) => ({
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false },
    { ...byteLevel, use_regex: false },
  ],
})
const llama3 = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

test.each([
  ['gpt-2', byteLevel, false],
  ['llama-bpe', cutting(llama3), true],
  ['smaug-bpe', cutting(llama3), false],
  ['qwen2', cutting(llama3.replace('{1,3}', '')), false],
  ['smollm', { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel] }, false],
  [null, cutting(String.raw`\w+`), false],
  [null, { ...byteLevel, add_prefix_space: true }, false],
  [null, { type: 'Whitespace' }, false],
])('the pre-tokenizer is %s', (name, pre_tokenizer, ignore_merges) => {
  const document = parse({ pre_tokenizer, model: { type: 'BPE', vocab: {}, merges: [], ignore_merges } })
  expect(preTokenizerOf(partsOf('t.json', document))).toBe(name)
})

const bpe = { type: 'BPE', vocab: { '<s>': 0, a: 1, b: 2, ab: 3 }, merges: [['a', 'b']] }
const added_tokens = [{ id: 0, content: '<s>', special: true }, { id: 4, content: '<|user|>', special: false }] // prettier-ignore

test('byte-level: one token for each row, gaps and rows beyond the vocabulary unused, added tokens by kind', () => {
  const post_processor = { type: 'TemplateProcessing', single: [{ SpecialToken: { id: '<s>' } }, { Sequence: {} }] }
  const document = { added_tokens, pre_tokenizer: byteLevel, post_processor, model: bpe }
  const found = metadata(document, 7, { bos_token_id: 0, eos_token_id: [3, 1], pad_token_id: 9 })
  expect(list(found, 'model')).toBe('gpt2')
  expect(list(found, 'tokens')).toEqual(['<s>', 'a', 'b', 'ab', '<|user|>', '[PAD5]', '[PAD6]'])
  expect(list(found, 'token_type')).toEqual([3, 1, 1, 1, 4, 5, 5])
  expect(list(found, 'merges')).toEqual(['a b'])
  expect(list(found, 'bos_token_id')).toBe(0)
  expect(list(found, 'eos_token_id')).toBe(3)
  expect(found.has('tokenizer.ggml.padding_token_id')).toBe(false) // 9 is no row
  expect(list(found, 'add_bos_token')).toBe(true)
  expect(list(metadata(document, 3), 'tokens')).toEqual(['<s>', 'a', 'b'])
})

test('an unknown way to cut is refused with what to do, and taken when it is named', () => {
  const document = {
    pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Whitespace' }, byteLevel] },
    model: bpe,
  }
  const fault = faultOf(() => metadata(document, 4))
  expect(fault.code).toBe('unsupported')
  expect(fault.hint).toMatch(/preTokenizer/)
  expect(list(metadata(document, 4, {}, 'gpt-2'), 'pre')).toBe('gpt-2')
})

test('SentencePiece: scores fall with the order of merges, bytes and the unknown token have their types', () => {
  const model = {
    type: 'BPE',
    byte_fallback: true,
    unk_token: '<unk>',
    vocab: { '<unk>': 0, '<0x0A>': 1, '▁': 2, a: 3, b: 4, ab: 5, '▁ab': 6 },
    merges: ['a b', '▁ ab'],
  }
  const normalizer = {
    type: 'Sequence',
    normalizers: [
      { type: 'Prepend', prepend: '▁' },
      { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    ],
  }
  const found = metadata({ normalizer, pre_tokenizer: null, added_tokens: [], model }, 7)
  expect(list(found, 'model')).toBe('llama')
  expect(list(found, 'token_type')).toEqual([2, 6, 1, 1, 1, 1, 1])
  const scores = list(found, 'scores') as number[]
  expect(scores[5]).toBeGreaterThan(scores[6] ?? 0)
  expect(Math.max(...scores.slice(0, 5))).toBeLessThan(scores[6] ?? 0)
  expect(list(found, 'add_space_prefix')).toBe(true)
  const bare = { type: 'Replace', pattern: { String: ' ' }, content: '▁' }
  expect(list(metadata({ normalizer: bare, added_tokens: [], model }, 7), 'add_space_prefix')).toBe(false)
  expect(faultOf(() => metadata({ normalizer: null, added_tokens: [], model }, 7)).code).toBe('unsupported')
})

test('WordPiece: words are marked where they begin', () => {
  const model = { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', vocab: { '[CLS]': 0, '[UNK]': 1, run: 2, '##ing': 3 } } // prettier-ignore
  const special = [{ id: 0, content: '[CLS]', special: true }]
  const found = metadata({ added_tokens: special, model }, 4)
  expect(list(found, 'model')).toBe('bert')
  expect(list(found, 'tokens')).toEqual(['[CLS]', '[UNK]', '▁run', 'ing'])
  expect(list(found, 'token_type')).toEqual([3, 2, 1, 1])
  expect(list(found, 'unknown_token_id')).toBe(1)
})

test('Unigram: scores and the character map are kept', () => {
  const normalizer = { type: 'Precompiled', precompiled_charsmap: 'AQID' }
  const pre_tokenizer = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' }
  const model = { type: 'Unigram', unk_id: 0, vocab: [['<unk>', 0], ['▁a', -1.5]] } // prettier-ignore
  const found = metadata({ normalizer, pre_tokenizer, added_tokens: [], model }, 2)
  expect(list(found, 'model')).toBe('t5')
  expect(list(found, 'scores')).toEqual([0, -1.5])
  expect(list(found, 'token_type')).toEqual([2, 1])
  expect(list(found, 'precompiled_charsmap')).toEqual([1, 2, 3])
})

test('a model without tokenizer says so; llama.cpp then takes token numbers only', () => {
  const found = tokenizerMetadata({ tokenizer: null, chatTemplate: null, config: null }, 5, null)
  expect(list(found, 'model')).toBe('none')
})
