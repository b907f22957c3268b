// The token list of a GGUF file: texts by number, with a type and perhaps a score.
//   types: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte        llama.cpp, enum llama_token_type
import type { Json } from '../../json.ts'
import type { GgufContents } from '../architectures/define.ts'
import { MetadataReader } from '../architectures/reading.ts'
import { ggufFault } from '../cursor.ts'

export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

export interface TokenList {
  file: string
  texts: readonly string[]
  types: readonly number[] | null
  scores: readonly number[] | null
}

const listKey = 'tokenizer.ggml.tokens'
const otherKeys = [
  ['tokenizer.ggml.token_type', 'int32'],
  ['tokenizer.ggml.scores', 'float32'],
] as const

/** Lists that belong together are as long as one another. Looks at lengths only, so that opening stays quick. */
export function checkTokens({ file, metadata }: GgufContents): void {
  const list = metadata.get(listKey)
  if (!list) return
  if (list.type !== 'array' || list.of !== 'string') {
    throw ggufFault(file, `${listKey} is no list of texts`, { field: listKey, expected: 'a list of texts' })
  }
  for (const [key, of] of otherKeys) {
    const other = metadata.get(key)
    if (!other) continue
    const fits = other.type === 'array' && (other.of === of || other.of === 'int32') && other.length >= list.length
    if (fits) continue
    const found = other.type === 'array' ? `a list of ${other.length} ${other.of}` : `a ${other.type}`
    throw ggufFault(file, `${key} is ${found} beside ${list.length} tokens`, {
      field: key,
      expected: `a list of ${list.length} ${of}`,
      found,
    })
  }
}

/** Reads the lists. Faults 'bad-input' for a byte token that names no byte. */
export function readTokens({ file, metadata }: GgufContents): TokenList | null {
  const list = metadata.get(listKey)
  if (list?.type !== 'array' || list.of !== 'string') return null
  const numbers = (key: string): readonly number[] | null => {
    const other = metadata.get(key)
    return other?.type === 'array' && other.of !== 'string' && other.of !== 'bool' ? other.values() : null
  }
  // llama.cpp names empty tokens so.
  const texts = list.values().map((text, id) => (text === '' ? `[EMPTY_${id}]` : text))
  const [types, scores] = otherKeys.map(([key]) => numbers(key))
  for (const [id, text] of texts.entries()) {
    if (types?.[id] !== tokenTypes.byte || /^<0x[0-9a-fA-F]{2}>$/.test(text)) continue
    throw ggufFault(file, `token ${id} is a byte token called ${JSON.stringify(text.slice(0, 40))}`, {
      field: `${listKey}[${id}]`,
      expected: '<0x00> to <0xFF>',
      found: text.slice(0, 40),
    })
  }
  return { file, texts, types: types ?? null, scores: scores ?? null }
}

/** Numbers by text; of two tokens with one text the first counts. */
export function vocabularyOf({ texts }: TokenList): Map<string, Json> {
  const vocabulary = new Map<string, Json>()
  for (const [id, text] of texts.entries()) if (!vocabulary.has(text)) vocabulary.set(text, id)
  return vocabulary
}

/** Tokens that are found in the text before anything else, as tokenizer.json lists them. */
export function addedTokens({ texts, types }: TokenList): Json[] {
  const added: Json[] = []
  const seen = new Set<string>()
  for (const [id, content] of texts.entries()) {
    const type = types?.[id]
    const special = type === tokenTypes.control || type === tokenTypes.unknown
    if ((!special && type !== tokenTypes.userDefined) || seen.has(content)) continue
    seen.add(content)
    added.push(json({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }))
  }
  return added
}

export interface Ends {
  begin: string | null // put in front of a text
  end: string | null
}

/** Tokens put around a text: what the file says, else what llama.cpp does for this kind of tokenizer. */
export function endsOf(contents: GgufContents, tokens: TokenList, usual: { begin: boolean; end: boolean }): Ends {
  const reader = new MetadataReader(contents, 'tokenizer.ggml')
  const text = (key: string) =>
    reader.has(key) ? (tokens.texts[reader.integer(key, { min: 0, max: tokens.texts.length - 1 })] ?? null) : null
  return {
    begin: reader.flag('add_bos_token', usual.begin) ? text('bos_token_id') : null,
    end: reader.flag('add_eos_token', usual.end) ? text('eos_token_id') : null,
  }
}

/** A template post-processor around one text. */
export function template({ begin, end }: Ends, tokens: TokenList): Json {
  const special = (token: string | null): Json[] =>
    token === null ? [] : [json({ SpecialToken: { id: token, type_id: 0 } })]
  const ids = [begin, end]
    .filter((token) => token !== null)
    .map((token): [string, Json] => [token, json({ id: token, ids: [tokens.texts.indexOf(token)], tokens: [token] })])
  if (ids.length === 0) return null
  const single = [...special(begin), json({ Sequence: { id: 'A', type_id: 0 } }), ...special(end)]
  const pair = [...single, json({ Sequence: { id: 'B', type_id: 1 } })]
  return json({ type: 'TemplateProcessing', single, pair, special_tokens: new Map(ids) })
}

type Plain = Json | readonly Plain[] | { readonly [key: string]: Plain }

/** Plain objects as the Maps of JSON documents. */
export function json(value: Plain): Json {
  if (Array.isArray(value)) return value.map((each: Plain) => json(each))
  if (typeof value !== 'object' || value === null || value instanceof Map) return value as Json
  return new Map(Object.entries(value).map(([key, inner]) => [key, json(inner as Plain)]))
}
