// tokenizer.ggml.model "bert": WordPiece, longest match first. Devlin et al. 2019, "BERT", section 3. GGUF files mark the
// beginning of a word with a lower block, tokenizer.json its continuation with "##".
import type { Json } from '../../json.ts'
import type { Rules } from './document.ts'
import { addedTokens, json, template, type TokenList, tokenTypes, vocabularyOf } from './tokens.ts'

const ofBert = ({ texts, types }: TokenList): string[] =>
  texts.map((text, id) => {
    if (types?.[id] === tokenTypes.control) return text
    if (text.startsWith('▁')) return text.slice(1)
    // Special tokens of files without types.
    return types === null && /^\[[A-Z]+\d*\]$/.test(text) ? text : `##${text}`
  })

export const wordPiece: Rules = (_, list, reader) => {
  const tokens: TokenList = { ...list, texts: ofBert(list) }
  const last = tokens.texts.length - 1
  const text = (key: string, usual: number) =>
    tokens.texts[reader.integer(key, { min: 0, max: last }, Math.min(usual, last))] ?? ''
  const begin = text(reader.has('cls_token_id') ? 'cls_token_id' : 'bos_token_id', 101)
  // llama.cpp writes the key with this spelling.
  const end = text(reader.has('seperator_token_id') ? 'seperator_token_id' : 'eos_token_id', 102)
  const accents = reader.has('normalizer.strip_accents') ? reader.flag('normalizer.strip_accents', true) : null
  return new Map<string, Json>([
    ['added_tokens', addedTokens(tokens)],
    [
      'normalizer',
      json({
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: accents,
        lowercase: reader.flag('normalizer.lowercase', true),
      }),
    ],
    ['pre_tokenizer', json({ type: 'BertPreTokenizer' })],
    ['post_processor', template({ begin, end }, tokens)],
    ['decoder', json({ type: 'WordPiece', prefix: '##', cleanup: true })],
    [
      'model',
      json({
        type: 'WordPiece',
        unk_token: text('unknown_token_id', 100),
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab: vocabularyOf(tokens),
      }),
    ],
  ])
}
