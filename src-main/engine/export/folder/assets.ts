// What lies beside the weights of a source that is no folder (GGUF, one file of PyTorch): the tokenizer it holds inside, as
// the files that Hugging Face programs read. Of a folder with a vocabulary in an older form: its tokenizer.json, which
// transformers.js cannot do without.
import { lstatSync } from 'node:fs'
import { basename } from 'node:path'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Json, JsonMap } from '../../checkpoint/json.ts'
import type { Network, TokenizerDocument } from '../../checkpoint/network.ts'
import type { StagedFile, Staging } from '../staging.ts'
import { jsonBytes } from './json.ts'

/** Writes tokenizer.json, tokenizer_config.json and chat_template.jinja, where the source has them inside. */
export function writeAssets(network: Network, staging: Staging): StagedFile[] {
  const { tokenizer, chatTemplate, config } = network
  const files: StagedFile[] = []
  const write = (name: string, bytes: Uint8Array) => files.push(staging.write(name, (sink) => sink(bytes)))
  if (lstatSync(network.path).isDirectory()) {
    // Its files are copied.
    const document = tokenizer !== null && basename(tokenizer.file) !== 'tokenizer.json' ? readable(tokenizer) : null
    if (document) write('tokenizer.json', jsonBytes(document))
    return files
  }
  if (tokenizer !== null) {
    const document = tokenizer.read()
    write('tokenizer.json', jsonBytes(document))
    write('tokenizer_config.json', jsonBytes(settingsOf(document, config)))
  }
  if (chatTemplate !== null) write('chat_template.jinja', new TextEncoder().encode(chatTemplate))
  return files
}

/** Null where its rules are not known: the files that were copied are then all there is. */
function readable(tokenizer: TokenizerDocument): JsonMap | null {
  try {
    return tokenizer.read()
  } catch (error) {
    if (error instanceof Fault && error.code === 'unsupported') return null
    throw error
  }
}

/** The special tokens by name, from the ids in the configuration. */
function settingsOf(tokenizer: JsonMap, config: JsonMap | null): JsonMap {
  const tokens = tokensOf(tokenizer)
  const settings: JsonMap = new Map([['tokenizer_class', 'PreTrainedTokenizerFast']])
  for (const kind of ['bos', 'eos', 'pad', 'unk']) {
    const id = config?.get(`${kind}_token_id`)
    const first = Array.isArray(id) ? id[0] : id
    const token = typeof first === 'number' ? tokens.get(first) : undefined
    if (token !== undefined) settings.set(`${kind}_token`, token)
  }
  return settings
}

function tokensOf(tokenizer: JsonMap): Map<number, string> {
  const tokens = new Map<number, string>()
  const model = tokenizer.get('model')
  const vocabulary: Json | undefined = model instanceof Map ? model.get('vocab') : undefined
  if (vocabulary instanceof Map) for (const [token, id] of vocabulary) if (typeof id === 'number') tokens.set(id, token)
  if (Array.isArray(vocabulary))
    vocabulary.forEach((pair, id) => {
      const token = Array.isArray(pair) ? pair[0] : pair
      if (typeof token === 'string') tokens.set(id, token)
    })
  const added = tokenizer.get('added_tokens')
  for (const each of Array.isArray(added) ? added : []) {
    const [id, content] = each instanceof Map ? [each.get('id'), each.get('content')] : []
    if (typeof id === 'number' && typeof content === 'string') tokens.set(id, content)
  }
  return tokens
}
