import type { MetadataValue } from '../../../checkpoint/gguf/metadata.ts'
import { type TokenizerParts, tokenTypes } from './document.ts'

/** A vocabulary as llama.cpp wants it. */
export interface Vocabulary {
  model: string // tokenizer.ggml.model
  pre: string // tokenizer.ggml.pre
  keys: Map<string, MetadataValue>
}

/** Tokens and their types, exactly one for each of the embedding's rows: gaps and what is missing at the end are filled
 *  with unused tokens, numbers beyond the embedding cannot occur and are left off. `typeOf` tells normal tokens apart. */
export function fillUp(
  { added }: TokenizerParts,
  tokens: readonly (string | undefined)[],
  rows: number,
  typeOf: (token: string, id: number) => number = () => tokenTypes.normal,
): { tokens: string[]; types: number[] } {
  const extra = new Map(added.map(({ id, special }) => [id, special ? tokenTypes.control : tokenTypes.userDefined]))
  const filled: string[] = []
  const types: number[] = []
  const seen = new Set<string>()
  for (let id = 0; id < rows; id++) {
    // llama.cpp refuses empty and repeated texts.
    const text = tokens[id]
    const usable = text !== undefined && text !== '' && !seen.has(text)
    const token = usable ? text : `[PAD${id}]`
    seen.add(token)
    filled.push(token)
    const plain = usable ? typeOf(token, id) : tokenTypes.unused
    types.push(plain === tokenTypes.normal ? (extra.get(id) ?? plain) : plain)
  }
  return { tokens: filled, types }
}
