// tokenizer.ggml.model "t5": unigram language model. Kudo 2018, "Subword Regularization", section 3.2: the cut of highest
// summed log probability.
import type { Json } from '../../json.ts'
import type { Rules } from './document.ts'
import { addedTokens, endsOf, json, template, tokenTypes } from './tokens.ts'

export const unigram: Rules = (contents, tokens, reader) => {
  const map = contents.metadata.get('tokenizer.ggml.precompiled_charsmap')
  const table =
    map?.type === 'array' && (map.of === 'uint8' || map.of === 'int8')
      ? Buffer.from(Uint8Array.from(map.values())).toString('base64')
      : null
  const normalizers = [
    ...(table === null ? [] : [json({ type: 'Precompiled', precompiled_charsmap: table })]),
    ...(reader.flag('remove_extra_whitespaces', false)
      ? [json({ type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' })]
      : []),
  ]
  const prefix = reader.flag('add_space_prefix', true) ? 'always' : 'never'
  const spaces = json({ type: 'Metaspace', replacement: '▁', prepend_scheme: prefix, split: true })
  const vocabulary: Json[] = tokens.texts.map((text, id) => [
    text,
    tokens.types?.[id] === tokenTypes.userDefined ? 0 : (tokens.scores?.[id] ?? 0),
  ])
  return new Map<string, Json>([
    ['added_tokens', addedTokens(tokens)],
    ['normalizer', normalizers.length === 0 ? null : json({ type: 'Sequence', normalizers })],
    ['pre_tokenizer', spaces],
    ['post_processor', template(endsOf(contents, tokens, { begin: false, end: true }), tokens)],
    ['decoder', spaces],
    [
      'model',
      json({
        type: 'Unigram',
        unk_id: reader.integer('unknown_token_id', { min: 0, max: tokens.texts.length - 1 }, 2),
        vocab: vocabulary,
        byte_fallback: tokens.types?.includes(tokenTypes.byte) ?? false,
      }),
    ],
  ])
}
