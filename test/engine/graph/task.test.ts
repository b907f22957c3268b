import { expect, test } from 'vitest'
import { findTask, taskKey } from '../../../src-main/engine/graph/task.ts'
import type { Dim, Graph } from '../../../src-main/engine/graph/ir.ts'

type Ends = Record<string, Dim[]>
const whole = /^(input_ids|attention_mask|token_type_ids|position_ids)$/
const ends = (given: Ends) =>
  Object.entries(given).map(
    ([name, shape]) => ({ name, shape, dtype: whole.test(name) ? 'int64' : 'float32' }) as const,
  )
const graph = (inputs: Ends, outputs: Ends, metadata: [string, string][] = []): Graph => ({
  name: 'g',
  irVersion: 8,
  opsets: new Map([['', 17]]),
  nodes: [],
  inputs: ends(inputs),
  outputs: ends(outputs),
  initializers: new Map(),
  values: new Map(),
  functions: [],
  metadata: new Map(metadata),
  producer: '',
})

const text = { input_ids: ['b', 't'], attention_mask: ['b', 't'] } satisfies Ends
const bert = { ...text, token_type_ids: ['b', 't'] } satisfies Ends
const pixels = { pixel_values: ['b', 3, 224, 224] } satisfies Ends

test.each([
  ['feature-extraction', text, { last_hidden_state: ['b', 't', 384] }],
  ['feature-extraction', bert, { token_embeddings: ['b', 't', 384], sentence_embedding: ['b', 384] }],
  ['sequence-classification', text, { logits: ['b', 2] }],
  ['masked-lm', bert, { logits: ['b', 't', 30522] }],
  ['other', bert, { logits: ['b', 't', 9] }], // labels of tokens
  ['other', text, { logits: ['b', 't', 50257] }], // as well a decoder as an encoder
  ['other', { ...text, position_ids: ['b', 't'] }, { logits: ['b', 't', 50257] }],
  ['image-classification', pixels, { logits: ['b', 1000] }],
  ['image-features', pixels, { last_hidden_state: ['b', 197, 768] }],
  ['image-text-similarity', { ...text, ...pixels }, { logits_per_image: ['i', 't'], text_embeds: ['t', 512] }],
  ['other', { x: ['b', 10] }, { y: ['b', 2] }],
] as [string, Ends, Ends][])('%s by the names of its ends', (task, inputs, outputs) => {
  expect(findTask(graph(inputs, outputs))).toBe(task)
})

test('what the file says goes before what its ends look like, where it says something known', () => {
  const decoder: [Ends, Ends] = [text, { logits: ['b', 't', 50257] }]
  expect(findTask(graph(...decoder, [[taskKey, 'masked-lm']]))).toBe('masked-lm')
  expect(findTask(graph(...decoder, [[taskKey, 'world domination']]))).toBe('other')
})
