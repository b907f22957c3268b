import { rmSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { difference, feedsOf, networkCases, openCase, runNetwork, writeCase, type NetworkCase } from './golden-case.ts'

const cases = networkCases('encoder')
const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const open = (golden: NetworkCase, config: Record<string, unknown> = {}, half = false) => {
  const folder = writeCase(golden, config, half)
  folders.push(folder)
  return openCase(folder)
}
const find = (name: string): NetworkCase => {
  const found = cases.find((golden) => golden.name === name)
  if (!found) throw new Error(`no case ${name}`)
  return found
}
async function worst(golden: NetworkCase, config: Record<string, unknown> = {}): Promise<number> {
  const network = open(golden, config)
  const outputs = await runNetwork(network, feedsOf(golden))
  network.source.close()
  return Math.max(...Object.entries(golden.outputs).map(([name, wanted]) => difference(outputs[name], wanted)))
}

test('the golden cases are all there', () => expect(cases.length).toBe(13))

test.each(cases)('$name gives the outputs of the reference', async (golden) => {
  const network = open(golden, {}, golden.name.length % 2 === 0)
  expect(network.notices).toEqual([])
  expect(network.family).toBe(golden.config.model_type)
  const inputs = network.graph?.inputs.map(({ name }) => name)
  expect(inputs).toEqual(Object.keys(golden.inputs))
  const outputs = await runNetwork(network, feedsOf(golden))
  expect(Object.keys(outputs)).toEqual(Object.keys(golden.outputs))
  for (const [name, wanted] of Object.entries(golden.outputs))
    expect(difference(outputs[name], wanted)).toBeLessThan(1e-5)
  network.source.close()
})

test.each([
  ['bert_masked', 'masked-lm'],
  ['bert_classes', 'sequence-classification'],
  ['bert_features', 'feature-extraction'],
  ['bert_sentence_mean', 'feature-extraction'],
])('%s is for %s', (name, task) => {
  const network = open(find(name))
  network.source.close()
  expect(network.task).toBe(task)
})

// Each of these settings must change the result, or the comparison above would prove nothing about it.
test.each([
  ['bert_masked_old', { hidden_act: 'gelu' }, 1e-5],
  ['bert_features', { num_attention_heads: 4 }, 1e-3],
  ['roberta_classes', { layer_norm_eps: 1e-2 }, 1e-4],
  ['roberta_masked', { pad_token_id: 0 }, 1e-3],
])('%s differs with another setting', async (name, config, least) => {
  expect(await worst(find(name), config)).toBeGreaterThan(least)
})

test('what the attention mask hides changes nothing', async () => {
  const golden = find('bert_classes')
  const network = open(golden)
  const feeds = feedsOf(golden)
  const before = (await runNetwork(network, feeds)).logits
  const ids = feeds.input_ids
  if (!ids) throw new Error('no tokens')
  const data = (ids.data as BigInt64Array).slice()
  for (let at = 17; at < 20; at++) data[at] = 9n // row 1, places 7 to 9
  const after = (await runNetwork(network, { ...feeds, input_ids: { ...ids, data } })).logits
  network.source.close()
  expect(Array.from(after?.data ?? [], Number)).toEqual(Array.from(before?.data ?? [NaN], Number))
})

test('layers have roles and blocks, and every weight is read by its own name', () => {
  const network = open(find('bert_masked'))
  network.source.close()
  const own = network.layers.filter((layer) => layer.block === 1)
  expect(own.map(({ role }) => role).join(' ')).toBe(
    'q bias k bias v bias o bias norm bias up bias down bias norm bias',
  )
  expect(network.blocks.map(({ name, inputs }) => [name, ...inputs])).toEqual([
    ['bert.encoder.layer.0', 'hidden.0'],
    ['bert.encoder.layer.1', 'hidden.1'],
  ])
  const compressible = network.layers.filter((layer) => layer.compressible).map(({ role }) => role)
  expect(new Set(compressible)).toEqual(new Set(['embed', 'q', 'k', 'v', 'o', 'up', 'down', 'fc']))
  for (const { name } of network.layers) expect(network.graph?.initializers.get(name)?.data).toEqual({ source: name })
})

test.each([
  ['is_decoder', { is_decoder: true }],
  ['position_embedding_type', { position_embedding_type: 'relative_key' }],
  ['hidden_act', { hidden_act: 'mish' }],
])('%s that cannot be honoured opens as tensors only, and says so', (field, config) => {
  const network = open(find('bert_masked'), config)
  network.source.close()
  expect(network.graph).toBeNull()
  expect(network.notices.join(' ')).toContain(field)
  expect(network.notices.join(' ')).toContain('weight-only compression')
})

test('a missing weight is named', () => {
  const golden = find('bert_classes')
  const { 'classifier.weight': _, ...tensors } = golden.tensors
  expect(() => open({ ...golden, tensors })).toThrow(/classifier\.weight \[3, 32\] is missing/)
})

test('a family that is not known opens as tensors only; the message says what works', () => {
  const network = open(find('bert_masked'), { model_type: 'reformer', architectures: ['ReformerModel'] })
  network.source.close()
  expect(network.task).toBe('none')
  expect(network.layers.some((layer) => layer.compressible)).toBe(true)
  const said = network.notices.join(' ')
  expect(said).toContain('"ReformerModel" is none of the families that can be run')
  expect(said).toContain('BERT')
  expect(said).toMatch(/layer table, data-free scores, weight-only compression .* work; data, evaluation .* do not/)
})

test('a known family in a form that is not known says which forms are', () => {
  const network = open(find('bert_masked'), { architectures: ['BertForMultipleChoice'] })
  network.source.close()
  expect(network.graph).toBeNull()
  expect(network.notices[0]).toMatch(
    /BERT can be run as BertModel, BertForMaskedLM, .*, not as "BertForMultipleChoice"/,
  )
})

test('a dense module that does not fit what stands before it is refused', () => {
  const golden = find('bert_sentence_dense')
  const sentence = { ...golden.sentence, pooling: ['cls' as const] }
  expect(() => open({ ...golden, sentence })).toThrow(/2_Dense\.linear: in_features is 96, .* gives 32/)
})

test('a pooling that is not known leaves the hidden states', async () => {
  const golden = find('bert_sentence_mean')
  const folder = writeCase(golden)
  folders.push(folder)
  const { writeFileSync } = await import('node:fs')
  writeFileSync(`${folder}/1_Pooling/config.json`, JSON.stringify({ pooling_mode_lasttoken: true }))
  const network = openCase(folder)
  network.source.close()
  expect(network.graph?.outputs.map(({ name }) => name)).toEqual(['last_hidden_state'])
  expect(network.notices.join(' ')).toContain('pooling_mode_lasttoken')
})
