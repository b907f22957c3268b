import { Tokenizer } from '@huggingface/tokenizers'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { parseJsonObject, type Json, type JsonMap } from '../../checkpoint/json.ts'
import { badData, readAll } from '../files.ts'
import { wasTooSlow, withinTime } from './limit.ts'
import { suspicion } from './regex.ts'
import { checkCharacterMaps, checkVocabulary, mostTokens } from './vocabulary.ts'

const mostFileBytes = 64 * 2 ** 20
const letterMs = 1000
const modelTypes = ['BPE', 'Unigram', 'WordPiece']

export interface TextTokenizer {
  file: string
  /** Token ids of one piece of text, without special tokens. Faults when it takes longer than its budget. */
  encode(text: string, name: string): number[]
  /** Special tokens that the tokenizer puts around a text. */
  around(): { before: number[]; after: number[] }
  /** Number of the token that is written so; null where there is none. */
  idOf(token: string): number | null
}

/** The library wants plain objects; a Map keeps keys such as "__proto__" harmless on the way. */
function toPlain(value: Json): unknown {
  if (Array.isArray(value)) return value.map(toPlain)
  if (!(value instanceof Map)) return value
  const plain = {}
  for (const [key, inner] of value)
    Object.defineProperty(plain, key, { value: toPlain(inner), enumerable: true, configurable: true, writable: true })
  return plain
}

const child = (value: Json | undefined, key: string): Json | undefined =>
  value instanceof Map ? value.get(key) : undefined

function* patterns(value: Json, path: string): Generator<{ path: string; pattern: string }> {
  if (Array.isArray(value)) for (const [index, inner] of value.entries()) yield* patterns(inner, `${path}[${index}]`)
  else if (value instanceof Map)
    for (const [key, inner] of value) {
      if (key === 'Regex' && typeof inner === 'string') yield { path: `${path}.${key}`, pattern: inner }
      else yield* patterns(inner, `${path}.${key}`)
    }
}

/** A pattern is an expression or a text; the library only complains of others, and works on without them. */
function checkPatterns(file: string, value: Json | undefined, path: string): void {
  if (Array.isArray(value))
    for (const [index, inner] of value.entries()) checkPatterns(file, inner, `${path}[${index}]`)
  if (!(value instanceof Map)) return
  for (const [key, inner] of value) checkPatterns(file, inner, `${path}.${key}`)
  const pattern = value.get('pattern')
  const known = [child(pattern, 'Regex'), child(pattern, 'String')].some((text) => typeof text === 'string')
  const needed = pattern !== undefined || ['Split', 'Replace'].includes(String(value.get('type')))
  if (needed && !known)
    throw badData(file, `the pattern at ${path}.pattern is neither an expression nor a text`, {
      data: { field: `${path}.pattern`, expected: '{ "Regex": text } or { "String": text }' },
    })
}

/** What must hold before the library sees the file: it trusts what it reads. */
function check(file: string, document: JsonMap): void {
  const model = child(document, 'model')
  const type = child(model, 'type') ?? 'BPE' // the oldest files leave it out
  if (typeof type !== 'string' || !modelTypes.includes(type))
    throw new Fault('unsupported', `${file}: tokenizer model ${JSON.stringify(type)}`, {
      data: { file, field: 'model.type', expected: modelTypes.join(', ') },
    })
  if (!(model instanceof Map)) throw badData(file, 'it describes no model', { data: { field: 'model' } })
  checkVocabulary(file, model, child(document, 'added_tokens'))
  checkCharacterMaps(file, document.get('normalizer'))
  for (const key of ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder'])
    checkPatterns(file, document.get(key), key)
  for (const key of ['normalizer', 'pre_tokenizer'])
    for (const { path, pattern } of patterns(document.get(key) ?? null, key)) {
      const why = suspicion(pattern)
      if (why !== null)
        throw badData(file, `the pattern at ${path} ${why}; it could run for ever`, {
          hint: 'Use the tokenizer.json that came with the checkpoint.',
          data: { field: path, found: pattern.slice(0, 200) },
        })
    }
}

const quiet = <T>(file: string, doing: string, work: () => T): T => {
  try {
    return work()
  } catch (error) {
    if (error instanceof Fault) throw error
    throw badData(file, `the tokenizer cannot ${doing}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}

const probe = 'a'

/** What is added to a text is what its tokens stand between. */
function around(tokenizer: Tokenizer): { before: number[]; after: number[] } {
  const ids = (special: boolean) => tokenizer.encode(probe, { add_special_tokens: special }).ids as number[]
  const [bare, framed] = [ids(false), ids(true)]
  const last = framed.length - bare.length
  const starts = Array.from({ length: Math.max(0, last + 1) }, (_, start) => start)
  const at = starts.find((start) => bare.every((id, index) => framed[start + index] === id))
  if (at === undefined || bare.length === 0) return { before: [], after: [] }
  return { before: framed.slice(0, at), after: framed.slice(at + bare.length) }
}

/** Opens a tokenizer.json. Faults 'bad-data' and 'unsupported' naming the file and field. */
export function openTokenizer(file: string, budgetMs?: number): TextTokenizer {
  const bytes = readAll(file, mostFileBytes)
  const document = quiet(file, 'be read', () =>
    parseJsonObject(bytes, file, { maxItems: mostTokens, maxEntries: mostTokens }),
  )
  return tokenizerFrom(document, file, budgetMs)
}

/**
 * The tokenizer of a document that is already read; `file` is where it comes from. Time for all texts together is bounded
 * by `budgetMs`: V8 stops even a regular expression that never ends. Faults as openTokenizer.
 */
export function tokenizerFrom(document: JsonMap, file: string, budgetMs = 120_000): TextTokenizer {
  check(file, document)
  const tokenizer = quiet(file, 'be built', () => new Tokenizer(toPlain(document) as object, {}))
  let leftMs = budgetMs
  return {
    file,
    around: () => quiet(file, 'encode a letter', () => withinTime(letterMs, () => around(tokenizer))),
    idOf: (token) => tokenizer.token_to_id(token) ?? null,
    encode(text, name) {
      const started = performance.now()
      try {
        const ids = quiet(file, `encode ${name}`, () =>
          withinTime(leftMs, () => tokenizer.encode(text, { add_special_tokens: false }).ids as unknown[]),
        )
        if (ids.every((id): id is number => Number.isInteger(id))) return ids
        throw badData(file, `the vocabulary has no token for a part of ${name}`, {
          hint: 'Use the tokenizer that came with the checkpoint, or other text.',
          data: { field: 'model.vocab' },
        })
      } catch (error) {
        const cause = error instanceof Fault ? error.cause : error
        if (!wasTooSlow(cause)) throw error
        throw badData(file, `encoding ${name} took longer than ${budgetMs / 1000} s`, {
          hint: 'Cut the text into shorter documents (document-separator), or use less of it.',
        })
      } finally {
        leftMs -= performance.now() - started
      }
    },
  }
}
