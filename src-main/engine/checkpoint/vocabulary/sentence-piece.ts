// tokenizer.model and its other names: SentencePiece. Kudo & Richardson 2018, "SentencePiece"; Kudo 2018, "Subword
// Regularization", for unigram models. BPE models have scores, which give the order of merges.
//   transformers, convert_slow_tokenizer.py: LlamaConverter, T5Converter, XLMRobertaConverter
import { mergesFromScores } from '../gguf/tokenizer/sentence-piece.ts'
import { addedTokens as pieceTokens, json, tokenTypes, vocabularyOf } from '../gguf/tokenizer/tokens.ts'
import { bytesRange } from '../onnx/wire.ts'
import type { Json, JsonMap } from '../json.ts'
import { around } from './byte-level.ts'
import { type PieceModel, readPieceModel } from './piece-model.ts'
import {
  addedTokens,
  flag,
  readSettings,
  type TokenizerSettings,
  unknownClass,
  type VocabularyFolder,
} from './settings.ts'

const bpeClasses = ['', 'LlamaTokenizer', 'CodeLlamaTokenizer', 'GemmaTokenizer', 'PreTrainedTokenizer']
const unigramClasses = ['T5Tokenizer', 'MT5Tokenizer', 'XLMRobertaTokenizer', 'CamembertTokenizer']
/** fairseq's numbering: its own four tokens in front, the pieces but for their first three behind them. */
const fairseq: ReadonlyMap<string, readonly string[]> = new Map([
  ['XLMRobertaTokenizer', ['<s>', '<pad>', '</s>', '<unk>']],
  ['CamembertTokenizer', ['<s>NOTUSED', '<pad>', '</s>NOTUSED', '<unk>', '<unk>NOTUSED']],
])

export function sentencePieceDocument(folder: VocabularyFolder, name: string): JsonMap {
  const settings = readSettings(folder)
  const model = readPieceModel(bytesRange(folder.read(name), folder.path(name)))
  const known = model.bpe ? bpeClasses : unigramClasses
  if (!known.includes(settings.className))
    throw unknownClass(
      settings,
      known.filter((each) => each !== ''),
    )
  return model.bpe ? mergedDocument(model, settings) : unigramDocument(model, settings)
}

/** As the library's LlamaTokenizer before it had a fast form: blanks are pieces, nothing is split beforehand. */
function mergedDocument(model: PieceModel, settings: TokenizerSettings): JsonMap {
  const { tokens } = model
  const vocabulary = vocabularyOf(tokens)
  const idOf = finder(vocabulary, settings)
  const gemma = settings.className === 'GemmaTokenizer'
  const prefix = !gemma && flag(settings.config, 'add_prefix_space', model.dummyPrefix)
  const blanks = json({ type: 'Replace', pattern: { String: ' ' }, content: '▁' })
  const begin =
    settings.roles.bos_token ??
    tokens.texts.find((text, id) => tokens.types[id] === tokenTypes.control && text === '<s>')
  const end = settings.roles.eos_token
  return new Map<string, Json>([
    ...head(settings, model, idOf),
    [
      'normalizer',
      json({ type: 'Sequence', normalizers: prefix ? [json({ type: 'Prepend', prepend: '▁' }), blanks] : [blanks] }),
    ],
    ['pre_tokenizer', null],
    [
      'post_processor',
      around(
        flag(settings.config, 'add_bos_token', true) ? (begin ?? null) : null,
        flag(settings.config, 'add_eos_token', false) ? (end ?? null) : null,
        idOf,
      ),
    ],
    [
      'decoder',
      json({
        type: 'Sequence',
        decoders: [
          json({ type: 'Replace', pattern: { String: '▁' }, content: ' ' }),
          json({ type: 'ByteFallback' }),
          json({ type: 'Fuse' }),
          ...(prefix ? [json({ type: 'Strip', content: ' ', start: 1, stop: 0 })] : []),
        ],
      }),
    ],
    [
      'model',
      json({
        type: 'BPE',
        dropout: null,
        unk_token: tokens.texts[model.unknown] ?? null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: true,
        byte_fallback: model.byteFallback,
        vocab: vocabulary,
        merges: mergesFromScores(tokens, vocabulary),
      }),
    ],
  ])
}

function unigramDocument(model: PieceModel, settings: TokenizerSettings): JsonMap {
  const { tokens, characterMap, removeBlanks, dummyPrefix } = model
  const front = fairseq.get(settings.className)
  const pieces = tokens.texts.map((text, id): Json => [
    text,
    tokens.types[id] === tokenTypes.userDefined ? 0 : (tokens.scores[id] ?? 0),
  ])
  const mask = settings.roles.mask_token ?? '<mask>'
  const vocabulary: Json[] = front ? [...front.map((text): Json => [text, 0]), ...pieces.slice(3), [mask, 0]] : pieces
  const numbers = new Map<string, Json>()
  for (const [id, entry] of vocabulary.entries()) {
    const text = Array.isArray(entry) ? entry[0] : null
    if (typeof text === 'string' && !numbers.has(text)) numbers.set(text, id)
  }
  const roles = {
    eos_token: '</s>',
    ...(front && { cls_token: '<s>', sep_token: '</s>', mask_token: mask }),
    ...settings.roles,
  }
  const filled = { ...settings, roles }
  const idOf = finder(numbers, filled)
  const normalizers = [
    ...(characterMap === null
      ? []
      : [json({ type: 'Precompiled', precompiled_charsmap: Buffer.from(characterMap).toString('base64') })]),
    ...(removeBlanks
      ? [
          json({ type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }),
          json({ type: 'Replace', pattern: { Regex: ' $' }, content: '' }),
        ]
      : []),
  ]
  const spaces = json({
    type: 'Metaspace',
    replacement: '▁',
    prepend_scheme: dummyPrefix ? 'always' : 'never',
    split: true,
  })
  const unknown = front ? front.indexOf('<unk>') : model.unknown
  return new Map<string, Json>([
    ['version', '1.0'],
    ['truncation', null],
    ['padding', null],
    ['added_tokens', addedTokens(filled, idOf)],
    ['normalizer', normalizers.length === 0 ? null : json({ type: 'Sequence', normalizers })],
    ['pre_tokenizer', spaces],
    [
      'post_processor',
      around(front ? (roles.cls_token ?? null) : null, front ? (roles.sep_token ?? null) : roles.eos_token, idOf),
    ],
    ['decoder', spaces],
    ['model', json({ type: 'Unigram', unk_id: unknown, vocab: vocabulary, byte_fallback: model.byteFallback })],
  ])
}

/** The parts before the rules. Special tokens are the model's control pieces and what the folder adds. */
function head(
  settings: TokenizerSettings,
  { tokens }: PieceModel,
  idOf: (token: string) => number | undefined,
): [string, Json][] {
  const own = pieceTokens(tokens)
  const seen = new Set(own.map((token) => (token instanceof Map ? token.get('content') : null)))
  const more = addedTokens(settings, idOf).filter(
    (token) => token instanceof Map && !seen.has(token.get('content') ?? null),
  )
  return [
    ['version', '1.0'],
    ['truncation', null],
    ['padding', null],
    ['added_tokens', [...own, ...more]],
  ]
}

const finder =
  (vocabulary: JsonMap, { added }: TokenizerSettings) =>
  (token: string): number | undefined => {
    const id = vocabulary.get(token)
    return typeof id === 'number' ? id : added.find(({ content }) => content === token)?.id
  }
