// WordPiece (BERT): llama.cpp's model 'bert'. It marks where words begin instead of where they go on: '##ing' is 'ing'
// there, 'run' is U+2581 'run'.
import { numberList, textList, type MetadataValue } from '../../../checkpoint/gguf/metadata.ts'
import { textOf, tokensById, type TokenizerParts, tokenTypes } from './document.ts'
import { fillUp, type Vocabulary } from './vocabulary.ts'

export function wordPiece(parts: TokenizerParts, rows: number): Vocabulary {
  const going = textOf(parts.model.get('continuing_subword_prefix')) ?? '##'
  const special = new Set(parts.added.filter((token) => token.special).map(({ content }) => content))
  const unknown = textOf(parts.model.get('unk_token'))
  const marked = (token: string) =>
    special.has(token) || token === unknown
      ? token
      : token.startsWith(going)
        ? token.slice(going.length)
        : `\u2581${token}`
  const plain = tokensById(parts)
  const { tokens, types } = fillUp(
    parts,
    Array.from(plain, (token: string | undefined) => (token === undefined ? undefined : marked(token))),
    rows,
    (token) => (token === unknown && !special.has(token) ? tokenTypes.unknown : tokenTypes.normal),
  )
  return {
    model: 'bert',
    pre: 'default',
    keys: new Map<string, MetadataValue>([
      ['tokenizer.ggml.tokens', textList(tokens)],
      ['tokenizer.ggml.token_type', numberList('int32', types)],
      ['tokenizer.ggml.token_type_count', { type: 'uint32', value: 2 }],
    ]),
  }
}
