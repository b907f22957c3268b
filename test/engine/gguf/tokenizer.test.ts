import { expect, test } from 'vitest'
import type { GgufContents } from '../../../src-main/engine/checkpoint/gguf/architectures/define.ts'
import { type MetadataValue, numberList, textList } from '../../../src-main/engine/checkpoint/gguf/metadata.ts'
import { tokenizerOf } from '../../../src-main/engine/checkpoint/gguf/tokenizer/document.ts'
import { preTokenizers } from '../../../src-main/engine/checkpoint/gguf/tokenizer/pre-tokenizers.ts'
import { suspicion } from '../../../src-main/engine/data/text/regex.ts'
import { tokenizerFrom } from '../../../src-main/engine/data/text/tokenizer.ts'
import { faultOf } from '../checkpoint/temporary.ts'

type Values = Record<string, string | number | boolean | string[] | number[]>

const valueOf = (value: Values[string]): MetadataValue => {
  if (Array.isArray(value)) {
    const numbers = value.filter((each) => typeof each === 'number')
    if (value.length > 0 && numbers.length === value.length)
      return numberList(numbers.every(Number.isInteger) ? 'int32' : 'float32', numbers)
    return textList(value as string[])
  }
  if (typeof value === 'string') return { type: 'string', value }
  return typeof value === 'boolean' ? { type: 'bool', value } : { type: 'uint32', value }
}

const contents = (values: Values): GgufContents => ({
  file: 'model.gguf',
  metadata: new Map(Object.entries(values).map(([key, value]) => [`tokenizer.ggml.${key}`, valueOf(value)])),
  tensors: new Map(),
  readTable: () => null,
})
const documentOf = (values: Values) => tokenizerOf(contents(values))?.read() ?? new Map()
const encode = (values: Values, text: string) => tokenizerFrom(documentOf(values), 'model.gguf').encode(text, 'a text')

const sentencePiece = {
  model: 'llama',
  tokens: ['<unk>', '<s>', '</s>', '<0xC3>', '<0xA9>', '▁', 'a', 'b', 'ab', '▁a', 'bab', '▁ab', '<user>'],
  token_type: [2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1, 1, 4],
  scores: [0, 0, 0, 0, 0, -9, -8.5, -8, -1, -5, -6, -7, 0],
}

test('SentencePiece merges the neighbours of highest score first', () => {
  // ▁ a b -> ab first (-1), then ▁ab (-7); ▁a (-5) never gets its chance.
  expect(encode(sentencePiece, 'ab')).toEqual([11])
  // ▁ b a b -> ab, then b + ab (-6).
  expect(encode(sentencePiece, 'bab')).toEqual([5, 10])
  const reversed = sentencePiece.scores.map((score, id) => (id === 9 ? -0.5 : score))
  const twice = { ...sentencePiece, scores: reversed }
  expect(encode(twice, 'aab')).toEqual([9, 8]) // ▁a first now, then ab
  expect(encode(sentencePiece, 'aab')).toEqual([9, 8])
  const model = documentOf(twice).get('model') as ReadonlyMap<string, string[][]>
  expect(model.get('merges')?.[0]).toEqual(['▁', 'a'])
})

test('SentencePiece falls back to bytes, finds added tokens first, and may leave out the blank in front', () => {
  expect(encode(sentencePiece, 'é')).toEqual([5, 3, 4])
  expect(encode(sentencePiece, 'a<user>b')).toEqual([9, 12, 5, 7])
  expect(encode({ ...sentencePiece, add_space_prefix: false }, 'ab')).toEqual([8])
})

test('merges never make or use control and byte tokens', () => {
  const merges = documentOf(sentencePiece).get('model') as ReadonlyMap<string, unknown>
  expect(merges.get('merges')).toEqual([
    ['a', 'b'],
    ['▁', 'a'],
    ['b', 'ab'],
    ['▁', 'ab'],
    ['▁a', 'b'],
  ])
})

test('byte-level BPE: merges of texts that are no tokens are left out', () => {
  const values = {
    model: 'gpt2',
    pre: 'gpt-2',
    tokens: ['a', 'b', 'ab', 'Ġ', 'Ġa'],
    merges: ['a b', 'a x', 'Ġ a', 'odd'],
  }
  expect(encode(values, 'ab ab a')).toEqual([2, 3, 2, 4])
  const { begin, end } = { begin: 'a', end: 'b' }
  const framed = { ...values, bos_token_id: 0, eos_token_id: 1, add_bos_token: true, add_eos_token: true }
  const template = documentOf(framed).get('post_processor') as ReadonlyMap<string, unknown>
  expect(JSON.stringify([...(template.get('special_tokens') as Map<string, unknown>).keys()])).toBe(
    JSON.stringify([begin, end]),
  )
})

test('a piece that is a token is taken whole where the tokenizer says so', () => {
  const values = { model: 'gpt2', tokens: ['a', 'b', 'c', 'ab', 'abc'], merges: ['b c'] }
  expect(encode({ ...values, pre: 'llama-bpe' }, 'abc')).toEqual([4])
  expect(encode({ ...values, pre: 'qwen2', tokens: ['a', 'b', 'c', 'bc', 'abc'] }, 'abc')).toEqual([0, 3])
})

test('WordPiece: the lower block begins a word', () => {
  const tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '▁play', 'ing', '▁the', '▁!']
  const values = {
    model: 'bert',
    tokens,
    token_type: [3, 3, 3, 3, 1, 1, 1, 1],
    unknown_token_id: 1,
    bos_token_id: 2,
    seperator_token_id: 3,
  }
  expect(encode(values, 'The PLAYING!')).toEqual([6, 4, 5, 7])
  expect(encode(values, 'strange')).toEqual([1])
})

test('unigram: the cut of the highest sum', () => {
  const values = {
    model: 't5',
    tokens: ['<pad>', '</s>', '<unk>', '▁', 'a', 'b', '▁a', 'ab', '▁ab'],
    token_type: [3, 3, 2, 1, 1, 1, 1, 1, 1],
    scores: [0, 0, 0, -2.5, -3.5, -3.5, -4.5, -3.25, -8.5],
  }
  expect(encode(values, 'ab')).toEqual([3, 7]) // -5.75 against -8 and -8.5
  expect(encode(values, 'a  b')).toEqual(encode({ ...values, remove_extra_whitespaces: false }, 'a  b'))
})

test.each([...preTokenizers])('the patterns of %s are harmless and cut words', (pre, { patterns }) => {
  for (const pattern of patterns) expect(suspicion(pattern)).toBeNull()
  const bytes = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))
  const values = { model: 'gpt2', tokens: [...bytes, 'Ġ', 'Ċ'], merges: ['x y'], ...(pre !== '' && { pre }) }
  expect(encode(values, "It's 12345 o'clock,\n and HELLO!").length).toBe(31)
})

test('what is not known is said with the key', () => {
  expect(faultOf(() => documentOf({ ...sentencePiece, model: 'rwkv' }))).toMatchObject({
    code: 'unsupported',
    data: { field: 'tokenizer.ggml.model', found: 'rwkv' },
  })
  expect(tokenizerOf(contents({}))).toBeNull()
})
