// What tokenizer_config.json and the small files beside it say: the class of the tokenizer, special tokens and their roles.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { json } from '../gguf/tokenizer/tokens.ts'
import { type Json, type JsonMap, parseJsonObject } from '../json.ts'

/** A folder of which a few named files may be read. */
export interface VocabularyFolder {
  has(name: string): boolean
  /** Absolute path, for messages. */
  path(name: string): string
  /** A small file's bytes; faults 'too-large' beyond `mostBytes`, which has a usual value. */
  read(name: string, mostBytes?: number): Uint8Array
}

export interface AddedToken {
  id: number
  content: string
  special: boolean
  lstrip: boolean
}

export interface TokenizerSettings {
  file: string
  config: JsonMap
  /** Without "Fast": 'GPT2Tokenizer'. '' where the folder does not tell. */
  className: string
  /** Texts by role: bos_token, eos_token, unk_token, sep_token, pad_token, cls_token, mask_token. */
  roles: Readonly<Record<string, string>>
  added: AddedToken[]
}

const mostTokens = 5_000_000
const roleNames = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'].map((name) => `${name}_token`)

export const readMap = (folder: VocabularyFolder, name: string): JsonMap =>
  folder.has(name)
    ? parseJsonObject(folder.read(name), folder.path(name), { maxItems: mostTokens, maxEntries: mostTokens })
    : new Map()

export const badFile = (file: string, what: string, field: string): Fault =>
  new Fault('bad-input', `${file}: ${what}`, { hint: 'Download the tokenizer files again.', data: { file, field } })

const textOf = (value: Json | undefined): string | null => {
  if (typeof value === 'string') return value
  const content = value instanceof Map ? value.get('content') : null
  return typeof content === 'string' ? content : null
}

/** Special tokens by role, of a map such as special_tokens_map.json. */
export function rolesOf(...maps: readonly JsonMap[]): Record<string, string> {
  const roles: Record<string, string> = {}
  for (const map of maps)
    for (const role of roleNames) {
      const text = textOf(map.get(role))
      if (text !== null && text !== '') roles[role] ??= text
    }
  return roles
}

export function readSettings(folder: VocabularyFolder): TokenizerSettings {
  const config = readMap(folder, 'tokenizer_config.json')
  const name = config.get('tokenizer_class')
  const roles = rolesOf(config, readMap(folder, 'special_tokens_map.json'))
  return {
    file: folder.path('tokenizer_config.json'),
    config,
    className: typeof name === 'string' ? name.replace(/Fast$/, '') : '',
    roles,
    added: addedOf(folder, config, roles),
  }
}

/** Newer folders list them by number in tokenizer_config.json, older ones by text in added_tokens.json. */
function addedOf(folder: VocabularyFolder, config: JsonMap, roles: Record<string, string>): AddedToken[] {
  const special = new Set(Object.values(roles))
  const added = new Map<number, AddedToken>()
  for (const [content, id] of readMap(folder, 'added_tokens.json')) {
    if (typeof id !== 'number')
      throw badFile(
        folder.path('added_tokens.json'),
        `token ${JSON.stringify(content.slice(0, 80))} has no number`,
        content.slice(0, 80),
      )
    added.set(id, { id, content, special: special.has(content), lstrip: false })
  }
  const listed = config.get('added_tokens_decoder')
  for (const [key, token] of listed instanceof Map ? listed : []) {
    const content = textOf(token)
    if (!/^[0-9]{1,9}$/.test(key) || content === null || !(token instanceof Map))
      throw badFile(
        folder.path('tokenizer_config.json'),
        `added token ${JSON.stringify(key.slice(0, 40))} has no text`,
        'added_tokens_decoder',
      )
    const [isSpecial, lstrip] = [token.get('special') === true, token.get('lstrip') === true]
    added.set(Number(key), { id: Number(key), content, special: isSpecial, lstrip })
  }
  return [...added.values()].sort((a, b) => a.id - b.id)
}

/** The list of tokenizer.json: what the folder adds, and special tokens that the vocabulary itself has. */
export function addedTokens({ roles, added }: TokenizerSettings, idOf: (token: string) => number | undefined): Json[] {
  const all = new Map(added.map((token) => [token.content, token]))
  for (const [role, content] of Object.entries(roles)) {
    const id = idOf(content)
    if (all.has(content) || id === undefined) continue
    all.set(content, { id, content, special: true, lstrip: role === 'mask_token' && content === '<mask>' })
  }
  return [...all.values()]
    .sort((a, b) => a.id - b.id)
    .map(({ id, content, special, lstrip }) =>
      json({ id, content, single_word: false, lstrip, rstrip: false, normalized: false, special }),
    )
}

export const flag = (config: JsonMap, key: string, usual: boolean): boolean => {
  const value = config.get(key)
  return typeof value === 'boolean' ? value : usual
}

/** A class whose rules are not known would cut text in another way without anybody noticing. */
export const unknownClass = ({ file, className }: TokenizerSettings, known: readonly string[]): Fault =>
  new Fault(
    'unsupported',
    `${file}: the tokenizer class ${JSON.stringify(className.slice(0, 60))} is not known without a tokenizer.json`,
    {
      hint: 'Save the tokenizer as tokenizer.json (AutoTokenizer.from_pretrained, then save_pretrained), or name one in the data description.',
      data: { file, field: 'tokenizer_class', expected: known.join(', '), found: className.slice(0, 60) },
    },
  )
