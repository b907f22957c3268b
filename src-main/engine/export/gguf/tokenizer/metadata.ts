// tokenizer.json as the tokenizer.* keys of a GGUF file (names as llama.cpp reads them, src/llama-arch.cpp).
import type { Json, JsonMap } from '../../../checkpoint/json.ts'
import type { Metadata, MetadataValue } from '../../../checkpoint/gguf/metadata.ts'
import type { Network } from '../../../checkpoint/network.ts'
import { byteLevel, isByteLevel } from './bpe.ts'
import { cannotHold, child, partsOf, textOf, type TokenizerParts } from './document.ts'
import { sentencePiece } from './sentence.ts'
import { unigram } from './unigram.ts'
import type { Vocabulary } from './vocabulary.ts'
import { wordPiece } from './wordpiece.ts'

function vocabularyOf(parts: TokenizerParts, rows: number, preTokenizer: string | null): Vocabulary {
  if (parts.type === 'Unigram') return unigram(parts, rows)
  if (parts.type === 'WordPiece') return wordPiece(parts, rows)
  if (parts.type !== 'BPE') throw cannotHold(parts.file, 'model.type', `the vocabulary is of type ${parts.type}`)
  return isByteLevel(parts) ? byteLevel(parts, rows, preTokenizer) : sentencePiece(parts, rows)
}

/** The first number of a setting that is one, or a list of them (several end tokens). */
const tokenOf = (value: Json | undefined, rows: number): number | null => {
  const id = Array.isArray(value) ? value[0] : value
  return typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < rows ? id : null
}

/** Special tokens by their texts, where neither the configuration nor the model names them. (llama.cpp spells the key so.) */
const usualTexts = { seperator: ['[SEP]'], mask: ['[MASK]', '<mask>'] } as const

/** The keys; `rows` is the number of rows of the embedding. A network without a tokenizer gets none (llama.cpp then takes
 *  token numbers only). */
export function tokenizerMetadata(
  { tokenizer, chatTemplate, config }: Pick<Network, 'tokenizer' | 'chatTemplate' | 'config'>,
  rows: number,
  preTokenizer: string | null,
): Metadata {
  if (tokenizer === null) return new Map([['tokenizer.ggml.model', { type: 'string', value: 'none' }]])
  const parts = partsOf(tokenizer.file, tokenizer.read())
  const vocabulary = vocabularyOf(parts, rows, preTokenizer)
  const keys = new Map<string, MetadataValue>([
    ['tokenizer.ggml.model', { type: 'string', value: vocabulary.model }],
    ['tokenizer.ggml.pre', { type: 'string', value: vocabulary.pre }],
    ...vocabulary.keys,
  ])
  for (const [name, id] of specialTokens(parts, config, rows))
    keys.set(`tokenizer.ggml.${name}_token_id`, { type: 'uint32', value: id })
  keys.set('tokenizer.ggml.add_bos_token', { type: 'bool', value: parts.begins })
  keys.set('tokenizer.ggml.add_eos_token', { type: 'bool', value: parts.ends && vocabulary.model !== 'bert' })
  if (chatTemplate !== null) keys.set('tokenizer.chat_template', { type: 'string', value: chatTemplate })
  return keys
}

function specialTokens(parts: TokenizerParts, config: JsonMap | null, rows: number): [string, number][] {
  const byText = new Map(parts.added.map(({ content, id }) => [content, id]))
  const unknown = textOf(parts.model.get('unk_token'))
  const first = (texts: readonly string[]) => texts.map((text) => byText.get(text)).find((id) => id !== undefined)
  const found: Record<string, number | null | undefined> = {
    bos: tokenOf(config?.get('bos_token_id'), rows),
    eos: tokenOf(config?.get('eos_token_id'), rows),
    unknown:
      unknown === null
        ? tokenOf(parts.model.get('unk_id'), rows)
        : (byText.get(unknown) ?? tokenOf(child(parts.model.get('vocab'), unknown), rows)),
    padding: tokenOf(config?.get('pad_token_id'), rows),
    ...Object.fromEntries(Object.entries(usualTexts).map(([name, texts]) => [name, first(texts)])),
  }
  return Object.entries(found).filter((entry): entry is [string, number] => typeof entry[1] === 'number')
}
