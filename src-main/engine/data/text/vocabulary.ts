// What a tokenizer's vocabulary and merges must be. The reference (huggingface/tokenizers, models/bpe) refuses a merge of
// tokens that are not in the vocabulary; the library used here would quietly cut text in another way.
import type { Json, JsonMap } from '../../checkpoint/json.ts'
import { badData } from '../files.ts'

export const mostTokens = 5_000_000

export const isId = (id: Json | undefined): id is number =>
  typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < mostTokens

const said = (value: Json | undefined): string => (JSON.stringify(value) ?? 'nothing').slice(0, 80)

/** Token by id. Faults where an id is no index, or belongs to two tokens. */
function checkIds(file: string, vocabulary: JsonMap): Map<number, string> {
  const tokens = new Map<number, string>()
  for (const [token, id] of vocabulary) {
    if (!isId(id))
      throw badData(file, `token ${said(token)} has the id ${String(id)}`, { data: { field: 'model.vocab' } })
    const other = tokens.get(id)
    if (other !== undefined)
      throw badData(file, `tokens ${said(other)} and ${said(token)} share the id ${id}`, {
        data: { field: 'model.vocab' },
      })
    tokens.set(id, token)
  }
  return tokens
}

/** Unigram: a list of [token, log probability]. */
function checkScores(file: string, vocabulary: readonly Json[]): Map<number, string> {
  const tokens = new Map<number, string>()
  for (const [index, entry] of vocabulary.entries()) {
    const [token, score] = Array.isArray(entry) ? entry : []
    if (typeof token !== 'string' || typeof score !== 'number')
      throw badData(file, `vocabulary entry ${index} is not a token and its score`, {
        data: { field: `model.vocab[${index}]`, found: said(entry) },
      })
    tokens.set(index, token)
  }
  return tokens
}

const pairOf = (merge: Json): Json[] =>
  typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : []

/** BPE: pairs of tokens that join to a token. */
function checkMerges(file: string, merges: Json | undefined, prefix: string, vocabulary: JsonMap): void {
  if (merges === undefined || merges === null) return
  if (!Array.isArray(merges)) throw badData(file, 'the merges are not a list', { data: { field: 'model.merges' } })
  for (const [index, merge] of merges.entries()) {
    if (index === 0 && typeof merge === 'string' && merge.startsWith('#version')) continue
    const [left, right, ...more] = pairOf(merge)
    const field = `model.merges[${index}]`
    if (typeof left !== 'string' || typeof right !== 'string' || more.length > 0)
      throw badData(file, `merge ${index} is not a pair of tokens`, { data: { field, found: said(merge) } })
    // The reference cuts the prefix off whatever the second token is.
    if (prefix !== '' && !right.startsWith(prefix))
      throw badData(file, `merge ${index} joins ${said(right)}, which lacks the prefix of continuing tokens`, {
        data: { field, expected: prefix.slice(0, 80), found: said(merge) },
      })
    const joined = left + right.slice(prefix.length)
    const stranger = [left, right, joined].find((token) => !vocabulary.has(token))
    if (stranger !== undefined)
      throw badData(file, `merge ${index} is about ${said(stranger)}, which is not in the vocabulary`, {
        data: { field, found: said(merge) },
      })
  }
}

/** Tokens added beside the model's own, which an entry may repeat but not rename. */
function checkAdded(file: string, added: Json | undefined, tokens: ReadonlyMap<number, string>): void {
  for (const [index, token] of (Array.isArray(added) ? added : []).entries()) {
    const [content, id] = token instanceof Map ? [token.get('content'), token.get('id')] : []
    const field = `added_tokens[${index}]`
    if (typeof content !== 'string' || content === '' || !isId(id))
      throw badData(file, `added token ${index} has no text or no id`, { data: { field } })
    const own = tokens.get(id)
    if (own !== undefined && own !== content)
      throw badData(file, `added token ${said(content)} has the id ${id}, which belongs to ${said(own)}`, {
        data: { field, expected: own, found: content },
      })
  }
}

/** Number of the token that stands for what no other covers. */
function checkUnknown(file: string, id: Json | undefined, size: number): void {
  if (id === undefined || id === null || (isId(id) && id < size)) return
  throw badData(file, `the unknown token is number ${said(id)} of ${size}`, { data: { field: 'model.unk_id' } })
}

/** Faults 'bad-data' naming file and field where vocabulary, merges and added tokens do not fit together. */
export function checkVocabulary(file: string, model: JsonMap, added: Json | undefined): void {
  const vocabulary = model.get('vocab')
  const size = vocabulary instanceof Map ? vocabulary.size : Array.isArray(vocabulary) ? vocabulary.length : 0
  if (size === 0 || size > mostTokens)
    throw badData(file, `a vocabulary of ${size} tokens`, { data: { field: 'model.vocab' } })
  if (Array.isArray(vocabulary)) {
    checkUnknown(file, model.get('unk_id'), size)
    return checkAdded(file, added, checkScores(file, vocabulary))
  }
  if (!(vocabulary instanceof Map)) return
  const tokens = checkIds(file, vocabulary)
  const prefix = model.get('continuing_subword_prefix')
  checkMerges(file, model.get('merges'), typeof prefix === 'string' ? prefix : '', vocabulary)
  checkAdded(file, added, tokens)
}

/** The character table of a Precompiled normalizer: base64 of a trie's size in bytes (u32, little endian), the trie, texts. */
export function checkCharacterMaps(file: string, normalizer: Json | undefined, path = 'normalizer'): void {
  if (!(normalizer instanceof Map)) return
  const inner = normalizer.get('normalizers')
  if (Array.isArray(inner))
    for (const [index, each] of inner.entries()) checkCharacterMaps(file, each, `${path}.normalizers[${index}]`)
  const map = normalizer.get('precompiled_charsmap')
  if (map === undefined || map === null) return
  const bytes = typeof map === 'string' ? Buffer.from(map, 'base64') : Buffer.alloc(0)
  const trie = bytes.length >= 4 ? bytes.readUInt32LE(0) : Number.POSITIVE_INFINITY
  if (trie % 4 !== 0 || 4 + trie > bytes.length)
    throw badData(file, `the character table at ${path}.precompiled_charsmap is damaged`, {
      data: { field: `${path}.precompiled_charsmap` },
    })
}
