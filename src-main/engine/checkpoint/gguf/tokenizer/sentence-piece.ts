// tokenizer.ggml.model "llama": SentencePiece BPE with scores. Kudo & Richardson 2018, "SentencePiece". The two neighbours
// whose joined text is the token of highest score are merged first. A list of merges says the same: every way to cut a
// token into two tokens, ordered by the score of the whole.
import type { Json, JsonMap } from '../../json.ts'
import { ggufFault } from '../cursor.ts'
import type { Rules } from './document.ts'
import { addedTokens, endsOf, json, template, type TokenList, tokenTypes, vocabularyOf } from './tokens.ts'

const mostCuts = 8_000_000 // 250,000 tokens of eight letters need two million

/** Merges in the order in which SentencePiece makes them. */
export function mergesFromScores({ file, texts, types, scores }: TokenList, vocabulary: JsonMap): Json[] {
  const joins = texts
    .map((text, id) => ({ text, id, score: scores?.[id] ?? 0 }))
    .filter(({ text, id }) => vocabulary.get(text) === id && joinable(types?.[id]))
  const cuts = joins.reduce((sum, { text }) => sum + text.length, 0)
  if (cuts > mostCuts) {
    throw ggufFault(file, `tokens of ${cuts} letters together, at most ${mostCuts} are read`, {
      code: 'too-large',
      field: 'tokenizer.ggml.tokens',
    })
  }
  const parts = new Set(joins.map(({ text }) => text))
  const longest = 512 // letters of one token; longer ones are made of more than two tokens that exist
  joins.sort((a, b) => b.score - a.score || a.id - b.id)
  const merges: Json[] = []
  for (const { text } of joins) {
    if (text.length > longest) continue
    for (let cut = 1; cut < text.length; cut++) {
      const [left, right] = [text.slice(0, cut), text.slice(cut)]
      if (parts.has(left) && parts.has(right)) merges.push([left, right])
    }
  }
  return merges
}

/** Control and byte tokens are never the result of a merge. */
const joinable = (type: number | undefined) =>
  type !== tokenTypes.control && type !== tokenTypes.unknown && type !== tokenTypes.byte

export const sentencePiece: Rules = (contents, tokens, reader) => {
  const vocabulary = vocabularyOf(tokens)
  const unknown = tokens.texts[reader.integer('unknown_token_id', { min: 0, max: tokens.texts.length - 1 }, 0)] ?? null
  const prefix = reader.flag('add_space_prefix', true)
  const blanks = json({ type: 'Replace', pattern: { String: ' ' }, content: '▁' })
  const decoders = [
    json({ type: 'Replace', pattern: { String: '▁' }, content: ' ' }),
    json({ type: 'ByteFallback' }),
    json({ type: 'Fuse' }),
    ...(prefix ? [json({ type: 'Strip', content: ' ', start: 1, stop: 0 })] : []),
  ]
  return new Map<string, Json>([
    ['added_tokens', addedTokens(tokens)],
    [
      'normalizer',
      json({ type: 'Sequence', normalizers: prefix ? [json({ type: 'Prepend', prepend: '▁' }), blanks] : [blanks] }),
    ],
    ['pre_tokenizer', null],
    ['post_processor', template(endsOf(contents, tokens, { begin: true, end: false }), tokens)],
    ['decoder', json({ type: 'Sequence', decoders })],
    [
      'model',
      json({
        type: 'BPE',
        dropout: null,
        unk_token: unknown,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: true,
        byte_fallback: tokens.types?.includes(tokenTypes.byte) ?? false,
        vocab: vocabulary,
        merges: mergesFromScores(tokens, vocabulary),
      }),
    ],
  ])
}
