// Byte-level BPE (GPT-2 and its heirs): llama.cpp's model 'gpt2'. Tokens are the byte-level texts as they stand, merges
// are pairs joined by a blank.
import type { Json } from '../../../checkpoint/json.ts'
import { numberList, textList, type MetadataValue } from '../../../checkpoint/gguf/metadata.ts'
import { cannotHold, malformed, tokensById, type TokenizerParts, tokenTypes } from './document.ts'
import { preTokenizerOf } from './pre.ts'
import { fillUp, type Vocabulary } from './vocabulary.ts'

/** A merge as a pair, in either of the two spellings. */
export function mergePair(file: string, merge: Json): [string, string] {
  if (Array.isArray(merge) && typeof merge[0] === 'string' && typeof merge[1] === 'string') return [merge[0], merge[1]]
  const at = typeof merge === 'string' ? merge.indexOf(' ', 1) : -1
  if (typeof merge !== 'string' || at < 0) throw malformed(file, 'model.merges', 'has an entry that is no pair')
  return [merge.slice(0, at), merge.slice(at + 1)]
}

export const mergesOf = ({ file, model }: TokenizerParts): [string, string][] => {
  const merges = model.get('merges')
  if (!Array.isArray(merges)) throw malformed(file, 'model.merges', 'is no list')
  return merges.map((merge) => mergePair(file, merge))
}

export function byteLevel(parts: TokenizerParts, rows: number, preTokenizer: string | null): Vocabulary {
  const pre = preTokenizer ?? preTokenizerOf(parts)
  if (pre === null) throw cannotHold(parts.file, 'pre_tokenizer', 'its way to cut text into words is not known')
  const pairs = mergesOf(parts)
  if (pairs.some(([left, right]) => left.includes(' ') || right.includes(' ')))
    throw cannotHold(parts.file, 'model.merges', 'its tokens hold blanks')
  const { tokens, types } = fillUp(parts, tokensById(parts), rows)
  return {
    model: 'gpt2',
    pre,
    keys: new Map<string, MetadataValue>([
      ['tokenizer.ggml.tokens', textList(tokens)],
      ['tokenizer.ggml.token_type', numberList('int32', types)],
      ['tokenizer.ggml.merges', textList(pairs.map(([left, right]) => `${left} ${right}`))],
    ]),
  }
}

export const isByteLevel = ({ model, preTokenizers }: TokenizerParts): boolean =>
  model.get('byte_fallback') !== true && preTokenizers.some((step) => step.get('type') === 'ByteLevel')

export const byteToken = /^<0x[0-9A-F]{2}>$/
export const typeOfFallback = (token: string, unknown: string | null): number =>
  token === unknown ? tokenTypes.unknown : byteToken.test(token) ? tokenTypes.byte : tokenTypes.normal
