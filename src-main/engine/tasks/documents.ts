import type { Documents } from '../../../src-preload/contract/model.ts'
import type { Json, JsonMap } from '../checkpoint/json.ts'
import type { Tasks } from '../protocol.ts'
import { cachedNetwork } from './cache.ts'

/** More than a person reads in a panel. */
const mostText = 64 * 1024

const isJsonMap = (value: Json | undefined): value is JsonMap => value instanceof Map

const cut = (text: string): string => (text.length > mostText ? `${text.slice(0, mostText)}\n…` : text)

/** JSON as people indent it; Maps keep keys such as "__proto__" harmless. */
function indent(value: Json, depth = 0): string {
  const inner = '  '.repeat(depth + 1)
  const close = '  '.repeat(depth)
  const entries = isJsonMap(value)
    ? [...value].map(([key, item]) => `${inner}${JSON.stringify(key)}: ${indent(item, depth + 1)}`)
    : Array.isArray(value)
      ? value.map((item) => inner + indent(item, depth + 1))
      : null
  if (entries === null) return JSON.stringify(value)
  const [open, end] = Array.isArray(value) ? '[]' : '{}'
  return entries.length === 0 ? `${open}${end}` : `${open}\n${entries.join(',\n')}\n${close}${end}`
}

const textOf = (value: Json | undefined): string | null => (typeof value === 'string' ? value : null)

/** 'BPE, 2,048 entries': what the file says of itself, before any library sees it. */
function tokenizerOf(document: JsonMap): Documents['tokenizer'] {
  const model = document.get('model')
  const added = document.get('added_tokens')
  const vocabulary = isJsonMap(model) ? model.get('vocab') : undefined
  const entries = isJsonMap(vocabulary) ? vocabulary.size : Array.isArray(vocabulary) ? vocabulary.length : 0
  const kind = isJsonMap(model) ? (textOf(model.get('type')) ?? 'BPE') : 'unknown'
  const special = Array.isArray(added)
    ? added.filter((token) => isJsonMap(token) && token.get('special') === true).length
    : 0
  return { kind: kind.slice(0, 40), entries, special }
}

export function documents({ path }: Tasks['documents']['args']): Tasks['documents']['result'] {
  const { config, tokenizer, chatTemplate } = cachedNetwork(path)
  return {
    config: config === null ? null : cut(indent(config)),
    tokenizer: tokenizer === null ? null : tokenizerOf(tokenizer.read()),
    chatTemplate: chatTemplate === null ? null : cut(chatTemplate),
  }
}
