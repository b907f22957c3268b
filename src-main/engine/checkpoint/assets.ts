// What lies beside the weights of a language model: configuration, vocabulary, chat template.
import { join } from 'node:path'
import { cacheLinkTargets, resolveInside } from './containment.ts'
import { readSmallFile } from './file.ts'
import type { FolderListing } from './hf-folder.ts'
import { type JsonMap, parseJsonObject } from './json.ts'
import type { Network, TokenizerDocument } from './network.ts'

export type LanguageAssets = Pick<Network, 'config' | 'tokenizer' | 'chatTemplate'>
export const noAssets: LanguageAssets = { config: null, tokenizer: null, chatTemplate: null }

const mostTokenizerBytes = 64 << 20
const mostTemplateBytes = 4 << 20
const mostTokens = 5_000_000

/** The assets of a Hugging Face folder. Nothing is read but a chat template; the tokenizer is parsed when asked for. */
export function assetsOf(folder: string, { names }: FolderListing, config: JsonMap | null): LanguageAssets {
  const linkTargets = cacheLinkTargets(folder)
  const has = (name: string) => names.includes(name)
  const path = (name: string) => resolveInside(folder, name, { linkTargets })
  const tokenizer: TokenizerDocument | null = has('tokenizer.json')
    ? {
        file: join(folder, 'tokenizer.json'),
        read: () => {
          const file = path('tokenizer.json')
          return parseJsonObject(readSmallFile(file, mostTokenizerBytes), file, {
            maxItems: mostTokens,
            maxEntries: mostTokens,
          })
        },
      }
    : null
  return { config, tokenizer, chatTemplate: chatTemplateOf(has, path) }
}

function chatTemplateOf(has: (name: string) => boolean, path: (name: string) => string): string | null {
  if (has('chat_template.jinja'))
    return new TextDecoder().decode(readSmallFile(path('chat_template.jinja'), mostTemplateBytes))
  if (!has('tokenizer_config.json')) return null
  const file = path('tokenizer_config.json')
  const template = parseJsonObject(readSmallFile(file, mostTemplateBytes), file).get('chat_template') ?? null
  if (typeof template === 'string') return template
  // Several templates by name: the one called "default".
  const named = Array.isArray(template) ? template : []
  const chosen = named.find((each) => each instanceof Map && each.get('name') === 'default')
  const text = chosen instanceof Map ? chosen.get('template') : null
  return typeof text === 'string' ? text : null
}
