import { parseJsonObject } from '../../../src-main/engine/checkpoint/json.ts'
import { tokenizerFrom } from '../../../src-main/engine/data/text/tokenizer.ts'
import type { FuzzTarget } from '../target.ts'

const document = (parts: object) => {
  const whole = {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    ...parts,
  }
  return new TextEncoder().encode(JSON.stringify(whole))
}
const added = (id: number, content: string) => ({
  id,
  content,
  special: true,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
})
const vocab = { '<unk>': 0, a: 1, b: 2, ab: 3, Ġ: 4, Ġa: 5, '▁': 6, '<0x0A>': 7, '##b': 8 }
const merges = ['a b', 'Ġ a']
const split = {
  type: 'Split',
  pattern: { Regex: "'s|\\p{L}+|\\p{N}{1,3}|\\s+(?!\\S)|\\s+" },
  behavior: 'Isolated',
  invert: false,
}
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
const template = {
  type: 'TemplateProcessing',
  single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
  pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
  special_tokens: { '<s>': { id: '<s>', ids: [9], tokens: ['<s>'] } },
}

/** A tokenizer.json, checked, built and used. */
export const tokenizer: FuzzTarget = {
  name: 'tokenizer',
  seeds: () => [
    document({
      model: { type: 'BPE', vocab, merges },
      pre_tokenizer: byteLevel,
      decoder: byteLevel,
      added_tokens: [added(9, '<s>')],
      post_processor: template,
    }),
    document({
      model: { type: 'BPE', vocab, merges: [['a', 'b']], unk_token: '<unk>', byte_fallback: true },
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'Prepend', prepend: '▁' },
          { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
        ],
      },
    }),
    document({
      model: { type: 'BPE', vocab, merges },
      pre_tokenizer: { type: 'Sequence', pretokenizers: [split, byteLevel] },
    }),
    document({
      model: {
        type: 'WordPiece',
        vocab,
        unk_token: '<unk>',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 9,
      },
      normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: null,
        lowercase: true,
      },
      pre_tokenizer: { type: 'BertPreTokenizer' },
    }),
    document({
      model: {
        type: 'Unigram',
        unk_id: 0,
        vocab: [
          ['<unk>', 0],
          ['▁a', -1.5],
          ['b', -2],
        ],
      },
      pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
      normalizer: { type: 'Precompiled', precompiled_charsmap: 'BAAAAAAAAAA=' },
    }),
  ],
  run(bytes) {
    const read = tokenizerFrom(parseJsonObject(bytes, 'fuzz.json'), 'fuzz.json', 1000)
    const ids = read.encode("ab a b's 123\n", 'a text')
    if (!ids.every((id) => Number.isInteger(id) && id >= 0)) throw new Error(`tokens ${JSON.stringify(ids)}`)
    read.around()
    read.idOf('<s>')
    return 'accepted'
  },
  dictionary: [
    ...[
      '"type":',
      '"BPE"',
      '"Unigram"',
      '"WordPiece"',
      '"vocab":',
      '"merges":',
      '"Regex":',
      '"String":',
      '"Split"',
      '"Sequence"',
      '"Strip"',
    ],
    ...[
      '"Lowercase"',
      '"NFC"',
      '"NFKC"',
      '"Digits"',
      '"Punctuation"',
      '"Whitespace"',
      '"ByteLevel"',
      '"Metaspace"',
      '"Fuse"',
      '"__proto__":',
    ],
    ...[
      '(a+)+$',
      '(?<=a)',
      '\\\\1',
      '\\\\p{L}+',
      '[^',
      '(a|a)*',
      'null',
      '-1',
      '1e999',
      '5000001',
      '""',
      '[]',
      '{}',
      '\\ud800',
      '#version',
    ],
    ...[
      '"unk_id":7',
      '"unk_token":"x"',
      '"byte_fallback":true',
      '"end_of_word_suffix":"</w>"',
      '"ignore_merges":true',
      '"max_input_chars_per_word":1e9',
    ],
  ],
}
