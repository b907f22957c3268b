// vocab.txt: one token a line, its number the line's. Devlin et al. 2019, "BERT", section 3; WordPiece, longest match first.
//   transformers, convert_slow_tokenizer.py: BertConverter
import { json } from '../gguf/tokenizer/tokens.ts'
import type { Json, JsonMap } from '../json.ts'
import { around } from './byte-level.ts'
import { addedTokens, badFile, flag, readSettings, unknownClass, type VocabularyFolder } from './settings.ts'

const classes = [
  '',
  'BertTokenizer',
  'DistilBertTokenizer',
  'ElectraTokenizer',
  'MobileBertTokenizer',
  'LayoutLMTokenizer',
  'ConvBertTokenizer',
  'RetriBertTokenizer',
  'SqueezeBertTokenizer',
  'FunnelTokenizer',
  'LxmertTokenizer',
]
const usual = { unk_token: '[UNK]', sep_token: '[SEP]', pad_token: '[PAD]', cls_token: '[CLS]', mask_token: '[MASK]' }

/** Numbers by token; of a token that stands twice the last line counts, as in the original. */
function readVocabulary(folder: VocabularyFolder): Map<string, Json> {
  const file = folder.path('vocab.txt')
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(folder.read('vocab.txt'))
  } catch {
    throw badFile(file, 'the vocabulary is not UTF-8', 'vocab.txt')
  }
  const vocabulary = new Map<string, Json>()
  const lines = text.replace(/\r?\n$/, '').split(/\r?\n/)
  for (const [id, token] of lines.entries()) {
    if (vocabulary.has(token))
      throw badFile(file, `line ${id + 1} repeats the token ${JSON.stringify(token.slice(0, 80))}`, `line ${id + 1}`)
    vocabulary.set(token, id)
  }
  return vocabulary
}

export function wordPieceDocument(folder: VocabularyFolder): JsonMap {
  const read = readSettings(folder)
  if (!classes.includes(read.className))
    throw unknownClass(
      read,
      classes.filter((name) => name !== ''),
    )
  const settings = { ...read, roles: { ...usual, ...read.roles } }
  const { config, roles } = settings
  const vocabulary = readVocabulary(folder)
  const idOf = (token: string): number | undefined => {
    const id = vocabulary.get(token)
    return typeof id === 'number' ? id : undefined
  }
  for (const token of [roles.unk_token, roles.cls_token, roles.sep_token])
    if (token !== undefined && idOf(token) === undefined)
      throw badFile(folder.path('vocab.txt'), `the vocabulary has no ${token}`, 'vocab.txt')
  const accents = config.get('strip_accents')
  return new Map<string, Json>([
    ['version', '1.0'],
    ['truncation', null],
    ['padding', null],
    ['added_tokens', addedTokens(settings, idOf)],
    [
      'normalizer',
      json({
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: flag(config, 'tokenize_chinese_chars', true),
        strip_accents: typeof accents === 'boolean' ? accents : null,
        lowercase: flag(config, 'do_lower_case', true),
      }),
    ],
    ['pre_tokenizer', json({ type: 'BertPreTokenizer' })],
    ['post_processor', around(roles.cls_token ?? null, roles.sep_token ?? null, idOf)],
    ['decoder', json({ type: 'WordPiece', prefix: '##', cleanup: true })],
    [
      'model',
      json({
        type: 'WordPiece',
        unk_token: roles.unk_token ?? '[UNK]',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab: vocabulary,
      }),
    ],
  ])
}
