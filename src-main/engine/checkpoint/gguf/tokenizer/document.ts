// The vocabulary and rules in a file's metadata as a tokenizer.json document, which the tokenizer library runs.
//   Sources: huggingface/tokenizers for the document, llama.cpp src/llama-vocab.cpp for what the metadata means
import { ggufFault } from '../cursor.ts'
import type { JsonMap } from '../../json.ts'
import type { TokenizerDocument } from '../../network.ts'
import type { GgufContents } from '../architectures/define.ts'
import { MetadataReader } from '../architectures/reading.ts'
import { byteLevel } from './byte-level.ts'
import { sentencePiece } from './sentence-piece.ts'
import { readTokens, type TokenList } from './tokens.ts'
import { unigram } from './unigram.ts'
import { wordPiece } from './word-piece.ts'

export { checkTokens } from './tokens.ts'

/** Everything but version, truncation and padding. */
export type Rules = (contents: GgufContents, tokens: TokenList, reader: MetadataReader) => JsonMap

/** By `tokenizer.ggml.model`. */
const models: ReadonlyMap<string, Rules> = new Map([
  ['gpt2', byteLevel],
  ['llama', sentencePiece],
  ['bert', wordPiece],
  ['t5', unigram],
])

/** Null where the file has no vocabulary. Reading it faults 'unsupported' for models and pre-tokenizers that are not known. */
export function tokenizerOf(contents: GgufContents): TokenizerDocument | null {
  const { file, metadata } = contents
  if (!metadata.has('tokenizer.ggml.tokens')) return null
  return {
    file,
    read() {
      const reader = new MetadataReader(contents, 'tokenizer.ggml')
      const model = reader.text('model', '')
      const rules = models.get(model)
      const tokens = readTokens(contents)
      if (!rules || !tokens) {
        throw ggufFault(file, `the tokenizer ${JSON.stringify(model.slice(0, 40))} is not known`, {
          code: 'unsupported',
          field: 'tokenizer.ggml.model',
          expected: [...models.keys()].join(', '),
          found: model.slice(0, 40),
          hint: 'Name the tokenizer.json of the original checkpoint in the data description.',
        })
      }
      return new Map([['version', '1.0'], ['truncation', null], ['padding', null], ...rules(contents, tokens, reader)])
    },
  }
}
