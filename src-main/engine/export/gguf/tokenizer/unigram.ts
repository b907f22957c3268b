// Unigram (T5, XLM-RoBERTa): llama.cpp's model 't5'. Tokens carry their own scores.
import { Buffer } from 'node:buffer'
import { numberList, textList, type MetadataValue } from '../../../checkpoint/gguf/metadata.ts'
import { cannotHold, malformed, textOf, type TokenizerParts, tokenTypes } from './document.ts'
import { byteToken } from './bpe.ts'
import { blanksOf } from './sentence.ts'
import { fillUp, type Vocabulary } from './vocabulary.ts'

export function unigram(parts: TokenizerParts, rows: number): Vocabulary {
  const { file, model, normalizers } = parts
  const blanks = blanksOf(parts)
  if (blanks === null) throw cannotHold(file, 'normalizer', 'its way to write blanks is not known')
  const listed = model.get('vocab')
  if (!Array.isArray(listed)) throw malformed(file, 'model.vocab', 'is no list')
  const texts: string[] = []
  const scores: number[] = []
  for (const entry of listed) {
    const [text, score] = Array.isArray(entry) ? entry : []
    if (typeof text !== 'string' || typeof score !== 'number') throw malformed(file, 'model.vocab', 'has no scores')
    texts.push(text)
    scores.push(score)
  }
  for (const { id, content } of parts.added) texts[id] = content
  const unknown = model.get('unk_id')
  const { tokens, types } = fillUp(parts, texts, rows, (token, id) =>
    id === unknown ? tokenTypes.unknown : byteToken.test(token) ? tokenTypes.byte : tokenTypes.normal,
  )
  const keys = new Map<string, MetadataValue>([
    ['tokenizer.ggml.tokens', textList(tokens)],
    [
      'tokenizer.ggml.scores',
      numberList(
        'float32',
        tokens.map((_, id) => scores[id] ?? 0),
      ),
    ],
    ['tokenizer.ggml.token_type', numberList('int32', types)],
    ['tokenizer.ggml.add_space_prefix', { type: 'bool', value: blanks.prefix }],
    ['tokenizer.ggml.remove_extra_whitespaces', { type: 'bool', value: true }],
  ])
  const charsmap = textOf(normalizers.find((step) => step.get('type') === 'Precompiled')?.get('precompiled_charsmap'))
  if (charsmap !== null && charsmap !== '')
    keys.set('tokenizer.ggml.precompiled_charsmap', numberList('uint8', [...Buffer.from(charsmap, 'base64')]))
  return { model: 't5', pre: 'default', keys }
}
