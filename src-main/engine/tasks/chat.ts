import { join } from 'node:path'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import { specialTokens } from '../data/text/special-tokens.ts'
import { renderChat } from '../data/text/chat.ts'
import { tokenizerFrom } from '../data/text/tokenizer.ts'
import type { Tasks } from '../protocol.ts'
import { cachedNetwork } from './cache.ts'

const budgetMs = 10_000

const templateFile = ({ path, format }: Network) => (format === 'gguf' ? path : join(path, 'tokenizer_config.json'))

/** A conversation as the checkpoint's own template writes it, and how many tokens that is. */
export function chat({ checkpoint, messages }: Tasks['chat']['args']): Tasks['chat']['result'] {
  const network = cachedNetwork(checkpoint)
  const { chatTemplate, tokenizer } = network
  if (chatTemplate === null)
    throw new Fault('not-found', `${network.path}: the checkpoint has no chat template`, {
      hint: 'Only models made for conversation have one, in tokenizer_config.json or chat_template.jinja.',
      data: { file: network.path, field: 'chat_template' },
    })
  const document = tokenizer?.read() ?? null
  const text = renderChat(chatTemplate, messages, specialTokens(network, document), templateFile(network))
  if (!tokenizer || !document) return { text, tokens: null }
  return { text, tokens: tokenizerFrom(document, tokenizer.file, budgetMs).encode(text, 'the conversation').length }
}
