// Reading a tokenizer.json: what the writers of the vocabulary models have in common.
import { Fault } from '../../../../../src-preload/contract/fault.ts'
import type { Json, JsonMap } from '../../../checkpoint/json.ts'

/** ggml's token types. */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

export interface AddedToken {
  id: number
  content: string
  special: boolean
}

export interface TokenizerParts {
  file: string
  model: JsonMap
  type: string // 'BPE', 'Unigram', 'WordPiece'
  added: AddedToken[]
  normalizers: JsonMap[] // sequences unrolled
  preTokenizers: JsonMap[]
  begins: boolean // special tokens around a text
  ends: boolean
}

export const child = (value: Json | undefined, key: string): Json | undefined =>
  value instanceof Map ? value.get(key) : undefined

export const textOf = (value: Json | undefined): string | null => (typeof value === 'string' ? value : null)

export const cannotHold = (file: string, field: string, why: string): Fault =>
  new Fault('unsupported', `${file}: ${why}; llama.cpp has no such tokenizer.`, {
    hint: 'Choose another format, or name the pre-tokenizer that fits (parameter preTokenizer).',
    data: { file, field },
  })

export const malformed = (file: string, field: string, why: string): Fault =>
  new Fault('bad-input', `${file}: ${field} ${why}.`, {
    hint: 'Use the tokenizer.json that came with the checkpoint.',
    data: { file, field },
  })

/** The steps of a normalizer or pre-tokenizer, sequences unrolled. */
export function stepsOf(value: Json | undefined): JsonMap[] {
  if (!(value instanceof Map)) return []
  const list = value.get('normalizers') ?? value.get('pretokenizers') ?? value.get('processors')
  return value.get('type') === 'Sequence' && Array.isArray(list) ? list.flatMap(stepsOf) : [value]
}

export function partsOf(file: string, document: JsonMap): TokenizerParts {
  const model = document.get('model')
  if (!(model instanceof Map)) throw malformed(file, 'model', 'is missing')
  const added: AddedToken[] = []
  const listed = document.get('added_tokens')
  for (const entry of Array.isArray(listed) ? listed : []) {
    const [id, content] = [child(entry, 'id'), textOf(child(entry, 'content'))]
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || content === null)
      throw malformed(file, 'added_tokens', 'lists a token without number or text')
    added.push({ id, content, special: child(entry, 'special') === true })
  }
  // The oldest files leave the type out. Around a text: the template's first and last places.
  const template = stepsOf(document.get('post_processor')).find((step) => step.get('type') === 'TemplateProcessing')
  const single = template?.get('single')
  const places = Array.isArray(single) ? single : []
  const isSpecial = (place: Json | undefined) => child(place, 'SpecialToken') instanceof Map
  return {
    file,
    model,
    type: textOf(model.get('type')) ?? 'BPE',
    added,
    normalizers: stepsOf(document.get('normalizer')),
    preTokenizers: stepsOf(document.get('pre_tokenizer')),
    begins: isSpecial(places[0]),
    ends: places.length > 1 && isSpecial(places.at(-1)),
  }
}

/** Token texts by number from the model's vocabulary (text -> number), added tokens laid over. */
export function tokensById({ file, model, added }: TokenizerParts): string[] {
  const vocabulary = model.get('vocab')
  if (!(vocabulary instanceof Map)) throw malformed(file, 'model.vocab', 'is no object')
  const tokens: string[] = []
  for (const [text, id] of vocabulary) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0)
      throw malformed(file, 'model.vocab', 'has no numbers')
    tokens[id] = text
  }
  for (const { id, content } of added) tokens[id] = content
  return tokens
}
