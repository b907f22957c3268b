// SentencePiece-style BPE with byte fallback (Llama, Mistral, Gemma): llama.cpp's model 'llama'. It merges the neighbours
// whose joined text is the token of the highest score; a merge list does the same when a token scores the higher the
// earlier it is made.
import { numberList, textList, type MetadataValue } from '../../../checkpoint/gguf/metadata.ts'
import { mergesOf, typeOfFallback } from './bpe.ts'
import { cannotHold, textOf, tokensById, type TokenizerParts } from './document.ts'
import { fillUp, type Vocabulary } from './vocabulary.ts'

/** How blanks are written: as U+2581, perhaps with one put in front of the text. Null: some other way. */
export function blanksOf({ normalizers, preTokenizers }: TokenizerParts): { prefix: boolean } | null {
  let prefix = false
  let replaced = false
  for (const step of [...normalizers, ...preTokenizers]) {
    const type = step.get('type')
    if (type === 'Prepend') prefix = true
    else if (type === 'Replace') replaced = true
    else if (type === 'Metaspace') {
      replaced = true
      const scheme = textOf(step.get('prepend_scheme'))
      prefix ||= scheme === null ? step.get('add_prefix_space') !== false : scheme !== 'never'
    } else if (type !== 'Precompiled' && type !== 'NFKC' && type !== 'Split') return null
  }
  return replaced ? { prefix } : null
}

export function sentencePiece(parts: TokenizerParts, rows: number): Vocabulary {
  const blanks = blanksOf(parts)
  if (blanks === null) throw cannotHold(parts.file, 'normalizer', 'its way to write blanks is not known')
  const rank = new Map<string, number>()
  for (const [index, [left, right]] of mergesOf(parts).entries()) {
    const made = left + right
    if (!rank.has(made)) rank.set(made, index)
  }
  const unknown = textOf(parts.model.get('unk_token'))
  const { tokens, types } = fillUp(parts, tokensById(parts), rows, (token) => typeOfFallback(token, unknown))
  // Single characters are never made; they come last, as SentencePiece orders them.
  const scores = tokens.map((token, id) => -(rank.get(token) ?? rank.size + id))
  return {
    model: 'llama',
    pre: 'default',
    keys: new Map<string, MetadataValue>([
      ['tokenizer.ggml.tokens', textList(tokens)],
      ['tokenizer.ggml.scores', numberList('float32', scores)],
      ['tokenizer.ggml.token_type', numberList('int32', types)],
      ['tokenizer.ggml.add_space_prefix', { type: 'bool', value: blanks.prefix }],
    ]),
  }
}
