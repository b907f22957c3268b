// tokenizer.json files: the language sample's own, changed.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { file, lfsPointer, type Make } from './make.ts'

interface Tokenizer {
  added_tokens: { id: unknown; content: unknown }[]
  normalizer: unknown
  pre_tokenizer: unknown
  model: Record<string, unknown> & { vocab: Record<string, unknown>; merges: unknown }
}
const original = () => readFileSync(resolve('resources/samples/language/tokenizer.json'), 'utf8')

/** The sample's tokenizer after a change to the document, or to its text. */
const changed =
  (change: (document: Tokenizer) => void, after: (text: string) => string = (text) => text): Make =>
  (folder) => {
    const document = JSON.parse(original()) as Tokenizer
    change(document)
    const path = join(folder, 'tokenizer.json')
    writeFileSync(path, after(JSON.stringify(document)))
    return path
  }
const same = () => {}
const pattern = (regex: string): Make =>
  changed(
    (document) =>
      (document.pre_tokenizer = { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false }),
  )
const vocabulary = (vocab: unknown): Make =>
  changed(({ model }) => void (model.vocab = vocab as Tokenizer['model']['vocab']))
const token = (id: unknown): Make => changed(({ model }) => void (model.vocab.Ā = id))
const merges = (value: unknown): Make => changed(({ model }) => void (model.merges = value))
const unigram = (score: string): Make =>
  changed(
    (document) =>
      (document.model = {
        type: 'Unigram',
        unk_id: 0,
        vocab: [
          ['<unk>', 0],
          ['a', 'SCORE'],
        ],
      } as never),
    (text) => text.replace('"SCORE"', score),
  )

export const tokenizerCases: Record<string, Make> = {
  'TK00-good': changed(same),
  'TK01-nested-repeat': pattern('(a+)+'),
  'TK01-repeated-choice': pattern('(a|a)*'),
  'TK01-repeated-word': pattern('(\\w+\\s?)*$'),
  'TK01-long': pattern('a'.repeat(1 << 20)),
  'TK01-lookbehind': pattern('(?<=a)b'),
  'TK01-backreference': pattern('(a)\\1'),
  'TK01-unbalanced': pattern('(a'),
  'TK01-in-normalizer': changed(
    (document) => (document.normalizer = { type: 'Replace', pattern: { Regex: '(x+x+)+y' }, content: '' }),
  ),
  'TK02-merge-of-strangers': merges([['zz', 'yy']]),
  'TK02-merge-of-three': merges([['a', 'b', 'c']]),
  'TK02-merge-number': merges([1, 2]),
  'TK02-merge-text': merges('a b'),
  'TK02-prefix-longer-than-tokens': changed(({ model }) => void (model.continuing_subword_prefix = '#'.repeat(1000))),
  'TK02-merges-huge': merges(Array.from({ length: 200_000 }, () => 'a b')),
  'TK03-id-negative': token(-1),
  'TK03-id-2-31': token(2 ** 31),
  'TK03-id-fraction': token(1.5),
  'TK03-id-text': token('3'),
  'TK03-id-twice': token(4),
  'TK03-vocabulary-empty': vocabulary({}),
  'TK03-vocabulary-text': vocabulary('abc'),
  'TK03-token-proto': changed(same, (text) => text.replace('"vocab":{', '"vocab":{"__proto__":4000,')),
  'TK04-added-id-clash': changed(({ added_tokens: added }) => void (added[1] = { ...added[1], id: 40 } as never)),
  'TK04-added-empty': changed(({ added_tokens: added }) => void (added[1] = { ...added[1], content: '' } as never)),
  'TK04-added-surrogate': changed(same, (text) => text.replace('"content":"<s>"', '"content":"\\ud800"')),
  'TK04-added-number': changed(({ added_tokens: added }) => void (added[1] = { ...added[1], content: 7 } as never)),
  'TK05-deep': file('tokenizer.json', () => `{"model":${'['.repeat(100_000)}`),
  'TK05-huge': file('tokenizer.json', () => Buffer.alloc((64 << 20) + 1, 0x20)),
  'TK05-model-twice': changed(same, (text) => text.replace('"model":{', '"model":{},"model":{')),
  'TK05-not-json': file('tokenizer.json', 'hello'),
  'TK05-not-utf8': file('tokenizer.json', Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d])),
  'TK05-lfs-pointer': file('tokenizer.json', lfsPointer),
  'TK05-list': file('tokenizer.json', '[]'),
  'TK07-unigram-nan': unigram('NaN'),
  'TK07-unigram-infinite': unigram('-1e999'),
  'TK07-unigram-text': unigram('"x"'),
  'TK03-unknown-outside': changed(
    (document) => (document.model = { type: 'Unigram', unk_id: -1, vocab: [['a', 0]] } as never),
  ),
  'TK03-text-without-token': changed((document) =>
    Object.assign(document, {
      added_tokens: [],
      model: { type: 'BPE', unk_token: '<gone>', vocab: { a: 0 }, merges: [] },
    }),
  ),
  'TK07-charsmap': changed(
    (document) => (document.normalizer = { type: 'Precompiled', precompiled_charsmap: 'AAAA////' }),
  ),
  'TK08-unknown-model': changed(({ model }) => void (model.type = 'Spiral')),
  'TK08-unknown-normalizer': changed((document) => (document.normalizer = { type: 'Spiral' })),
  'TK08-no-model': file('tokenizer.json', '{"version":"1.0"}'),
}
