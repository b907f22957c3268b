// Vocabularies of before tokenizer.json give the numbers of the programs they are from (test/golden/tokenizer_files.py).
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { assetsOf } from '../../../src-main/engine/checkpoint/assets.ts'
import { listFolder } from '../../../src-main/engine/checkpoint/hf-folder.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { type TextTokenizer, tokenizerFrom } from '../../../src-main/engine/data/text/tokenizer.ts'

interface Golden {
  name: string
  files: Record<string, string> // base64
  texts: string[]
  ids: number[][]
  framed: number[][]
}
const { cases } = JSON.parse(readFileSync(join(import.meta.dirname, '../../golden/tokenizer_files.json'), 'utf8')) as {
  cases: Golden[]
}
const base = mkdtempSync(join(tmpdir(), 'lathe-vocabulary-'))
afterAll(() => rmSync(base, { recursive: true }))

const open = (folder: string): TextTokenizer => {
  const { tokenizer } = assetsOf(folder, listFolder(folder), null)
  if (!tokenizer) throw new Error('no tokenizer')
  return tokenizerFrom(tokenizer.read(), tokenizer.file)
}

let folders = 0
function folderOf(files: Record<string, string | Uint8Array>): string {
  const folder = join(base, String(folders++))
  mkdirSync(folder)
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  return folder
}
const filesOf = ({ files }: Golden) =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [name, new Uint8Array(Buffer.from(text, 'base64'))]))
const named = (name: string) => filesOf(cases.find((each) => each.name === name) as Golden)

describe('the numbers of the reference', () => {
  test.for(cases)('$name', (golden) => {
    const tokenizer = open(folderOf(filesOf(golden)))
    expect(golden.texts.map((text) => tokenizer.encode(text, 'a text'))).toEqual(golden.ids)
    const { before, after } = tokenizer.around()
    const framed = golden.ids.map((ids) => [...before, ...ids, ...after])
    expect(framed).toEqual(golden.framed)
  })
})

test('tokenizer.json is preferred', () => {
  const folder = folderOf({
    ...named('gpt2'),
    'tokenizer.json':
      '{"added_tokens":[],"normalizer":null,"pre_tokenizer":null,"post_processor":null,"decoder":null,"model":{"type":"BPE","vocab":{"q":0},"merges":[]}}',
  })
  expect(open(folder).encode('q', 'a text')).toEqual([0])
})

test('tokens that the folder adds are found in the text', () => {
  const qwen = open(folderOf(named('qwen2')))
  expect(qwen.encode('a<|im_start|>', 'a text').at(-1)).toBe(400)
  const folder = folderOf({ ...named('gpt2-bare'), 'added_tokens.json': '{"<new>": 400}' })
  expect(open(folder).encode('<new>x', 'a text')[0]).toBe(400)
})

describe('what is wrong is told', () => {
  const broken: [name: string, files: Record<string, string | Uint8Array>, code: string, words: string][] = [
    [
      'an unknown class',
      { ...named('gpt2'), 'tokenizer_config.json': '{"tokenizer_class":"SpiralTokenizer"}' },
      'unsupported',
      'the tokenizer class "SpiralTokenizer" is not known without a tokenizer.json',
    ],
    [
      'a merge of three',
      { ...named('gpt2-bare'), 'merges.txt': '#version: 0.2\na b c\n' },
      'bad-input',
      'line 2 is no pair of tokens',
    ],
    [
      'a merge of strangers',
      { ...named('gpt2-bare'), 'merges.txt': 'zzzz yyyy\n' },
      'bad-data',
      'merge 0 is about "zzzz", which is not in the vocabulary',
    ],
    [
      'merges that are not text',
      { ...named('gpt2-bare'), 'merges.txt': Uint8Array.from([0xff, 0xfe]) },
      'bad-input',
      'the merges are not UTF-8',
    ],
    ['a token twice', { 'vocab.txt': '[UNK]\n[CLS]\n[SEP]\na\na\n' }, 'bad-input', 'line 5 repeats the token "a"'],
    ['a vocabulary without its special tokens', { 'vocab.txt': 'a\nb\n' }, 'bad-input', 'the vocabulary has no [UNK]'],
    ['no SentencePiece', { 'tokenizer.model': 'hello, this is text' }, 'bad-input', 'tokenizer.model: '],
    ['an empty SentencePiece file', { 'tokenizer.model': '' }, 'bad-input', 'it holds no pieces'],
    [
      'a score that is no number',
      { 'tokenizer.model': Uint8Array.from([0x0a, 8, 0x0a, 1, 0x61, 0x15, 0, 0, 0xc0, 0x7f]) },
      'bad-input',
      'the score NaN (pieces[0], offset',
    ],
    [
      'a vocabulary number that is no number',
      { ...named('gpt2-bare'), 'vocab.json': '{"a":"b"}' },
      'bad-data',
      'token "a" has the id b',
    ],
  ]
  test.for(broken)('%s', ([, files, code, words]) => {
    const folder = folderOf(files)
    expect(() => open(folder)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(words) }))
  })
})

test('a language model with an older vocabulary evaluates on text as one with tokenizer.json', async () => {
  const sample = resolve('resources/samples/language')
  const { model } = JSON.parse(readFileSync(join(sample, 'tokenizer.json'), 'utf8')) as {
    model: { vocab: Record<string, number>; merges: (string | string[])[] }
  }
  const merges = model.merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' ')))
  const copied = ['config.json', 'model.safetensors', 'data.yaml', 'valid.txt', 'calibrate.txt']
  const folder = folderOf({
    ...Object.fromEntries(copied.map((name) => [name, readFileSync(join(sample, name))])),
    'vocab.json': JSON.stringify(model.vocab),
    'merges.txt': merges.join('\n'),
  })
  const network = openNetwork(folder)
  const dataset = await openDataset({ path: join(folder, 'data.yaml'), split: 'auto' }, network)
  expect(dataset.details).toMatchObject({ tokenizer: 'vocab.json' })
  expect(Number(dataset.details.tokens)).toBeGreaterThan(1000)
  network.source.close()
})
