// The texts of special tokens by their role, which chat templates use: what the folder says, else by the numbers in the
// configuration.
import type { Json, JsonMap } from '../../checkpoint/json.ts'
import type { Network } from '../../checkpoint/network.ts'

const roles = ['bos', 'eos', 'unk', 'pad'] as const

/** Texts by number, of all tokens or those added beside the model's own. */
function textOf(document: JsonMap, id: number): string | null {
  const added = document.get('added_tokens')
  for (const token of Array.isArray(added) ? added : [])
    if (token instanceof Map && token.get('id') === id) return asText(token.get('content'))
  const model = document.get('model')
  const vocabulary = model instanceof Map ? model.get('vocab') : null
  if (vocabulary instanceof Map) for (const [text, number] of vocabulary) if (number === id) return text
  const entry = Array.isArray(vocabulary) ? vocabulary[id] : null
  return Array.isArray(entry) ? asText(entry[0]) : null
}

const asText = (value: Json | undefined): string | null => (typeof value === 'string' ? value : null)

/** 'bos_token' -> '<s>', and so on; roles without a token are left out. */
export function specialTokens(
  { config, specialTokens: named }: Pick<Network, 'config' | 'specialTokens'>,
  document: JsonMap | null,
): Record<string, string> {
  const tokens: Record<string, string> = {}
  for (const role of roles) {
    const number = config?.get(`${role}_token_id`)
    const id = Array.isArray(number) ? number[0] : number
    const text = named?.[`${role}_token`] ?? (document && typeof id === 'number' ? textOf(document, id) : null)
    if (text !== null && text !== undefined) tokens[`${role}_token`] = text
  }
  return tokens
}
