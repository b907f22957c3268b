// What lies beside the weights of a language model: configuration, vocabulary, chat template.
import { join } from 'node:path'
import { cacheLinkTargets, resolveInside } from './containment.ts'
import { readSmallFile } from './file.ts'
import type { FolderListing } from './hf-folder.ts'
import { type JsonMap, parseJsonObject } from './json.ts'
import type { Network, TokenizerDocument } from './network.ts'
import { vocabularyForms } from './vocabulary/files.ts'
import { rolesOf, type VocabularyFolder } from './vocabulary/settings.ts'

export type LanguageAssets = Pick<Network, 'config' | 'tokenizer' | 'chatTemplate' | 'specialTokens'>
export const noAssets: LanguageAssets = { config: null, tokenizer: null, chatTemplate: null }

const mostTokenizerBytes = 64 << 20
const mostTemplateBytes = 4 << 20
const mostTokens = 5_000_000

/** The assets of a Hugging Face folder. Nothing is read but settings and a chat template; the tokenizer is parsed when
 *  asked for. */
export function assetsOf(folder: string, { names }: FolderListing, config: JsonMap | null): LanguageAssets {
  const linkTargets = cacheLinkTargets(folder)
  const files: VocabularyFolder = {
    has: (name) => names.includes(name),
    path: (name) => join(folder, name),
    read: (name, mostBytes = mostTokenizerBytes) =>
      readSmallFile(resolveInside(folder, name, { linkTargets }), mostBytes),
  }
  const name = 'tokenizer_config.json'
  const settings = files.has(name) ? parseJsonObject(files.read(name, mostTemplateBytes), files.path(name)) : null
  return {
    config,
    tokenizer: tokenizerOf(files),
    chatTemplate: chatTemplateOf(files, settings),
    ...(settings && { specialTokens: rolesOf(settings) }),
  }
}

/** tokenizer.json, or one of the older forms. */
function tokenizerOf(files: VocabularyFolder): TokenizerDocument | null {
  if (files.has('tokenizer.json')) {
    const file = files.path('tokenizer.json')
    const limits = { maxItems: mostTokens, maxEntries: mostTokens }
    return { file, read: () => parseJsonObject(files.read('tokenizer.json'), file, limits) }
  }
  const form = vocabularyForms.find((each) => each.files.every((name) => files.has(name)))
  const [first] = form?.files ?? []
  return form && first !== undefined ? { file: files.path(first), read: () => form.document(files) } : null
}

function chatTemplateOf(files: VocabularyFolder, settings: JsonMap | null): string | null {
  if (files.has('chat_template.jinja'))
    return new TextDecoder().decode(files.read('chat_template.jinja', mostTemplateBytes))
  const template = settings?.get('chat_template') ?? null
  if (typeof template === 'string') return template
  // Several templates by name: the one called "default".
  const named = Array.isArray(template) ? template : []
  const chosen = named.find((each) => each instanceof Map && each.get('name') === 'default')
  const text = chosen instanceof Map ? chosen.get('template') : null
  return typeof text === 'string' ? text : null
}
