import { rmSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { cutBefore, segment } from '../../../src-main/engine/graph/segment.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import type { TensorValue } from '../../../src-main/engine/runtime/types.ts'
import { difference, feedsOf, networkCases, openCase, runNetwork, writeCase, type NetworkCase } from './golden-case.ts'

const cases = networkCases('vision')
const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const open = (golden: NetworkCase, config: Record<string, unknown> = {}, half = false) => {
  const folder = writeCase(golden, config, half)
  folders.push(folder)
  return openCase(folder)
}

test('the golden cases are all there', () => expect(cases.length).toBe(13))

test.each(cases)('$name gives the outputs of the reference', async (golden) => {
  const network = open(golden, {}, golden.name.length % 2 === 0)
  expect(network.notices).toEqual([])
  expect(network.graph?.inputs.map(({ name }) => name)).toEqual(Object.keys(golden.inputs))
  const outputs = await runNetwork(network, feedsOf(golden))
  expect(Object.keys(outputs)).toEqual(Object.keys(golden.outputs))
  for (const [name, wanted] of Object.entries(golden.outputs))
    expect(difference(outputs[name], wanted), name).toBeLessThan(1e-5)
  network.source.close()
})

const find = (name: string): NetworkCase => {
  const found = cases.find((golden) => golden.name === name)
  if (!found) throw new Error(`no case ${name}`)
  return found
}

// Each of these settings must change the result, or the comparison above would prove nothing about it.
const text = find('clip_legacy').config.text_config as object
test.each([
  ['vit_wide', { hidden_act: 'gelu' }, 1e-5],
  ['vit_classes', { num_attention_heads: 2 }, 1e-3],
  ['deit_teacher', { layer_norm_eps: 0.1 }, 1e-3],
  ['swin_classes', { hidden_act: 'relu' }, 1e-3],
  ['clip_legacy', { text_config: { ...text, eos_token_id: 30 } }, 1e-3],
  ['clip_legacy', { text_config: { ...text, hidden_act: 'gelu' } }, 1e-5],
  ['llava_old', { vision_feature_layer: -1 }, null],
  ['llava_old', { image_token_index: 37 }, 1e-3],
])('%s differs with another setting', async (name, config, least) => {
  const golden = find(name)
  // The reference left out what the setting does not need.
  if (least === null) return expect(() => open(golden, config)).toThrow(/is missing/)
  const network = open(golden, config)
  const outputs = await runNetwork(network, feedsOf(golden))
  network.source.close()
  const found = Object.entries(golden.outputs).map(([output, wanted]) => difference(outputs[output], wanted))
  expect(Math.max(...found)).toBeGreaterThan(least)
})

/** Values of a graph, or of what lies behind `inputs`. */
async function values(
  network: ReturnType<typeof open>,
  cut: { inputs: string[]; outputs: string[] },
  feeds: Record<string, TensorValue>,
): Promise<Record<string, TensorValue>> {
  if (!network.graph) throw new Error(network.notices.join(' '))
  const fail = (notice: string): never => {
    throw new Error(notice)
  }
  const graph = segment(network.graph, cut)
  const session = await openSession(graph, weightReader(network), { device: 'cpu', threads: 1 }, fail)
  try {
    const wanted = new Set(session.inputNames)
    return await session.run(Object.fromEntries(Object.entries(feeds).filter(([name]) => wanted.has(name))))
  } finally {
    await session.release()
  }
}

test.each(['vit_classes', 'swin_padded', 'clip_end', 'llava_old'])(
  '%s: what lies behind each block follows from the values in front of it',
  async (name) => {
    const golden = find(name)
    const network = open(golden)
    const { graph, blocks } = network
    const output = graph?.outputs[0]?.name ?? ''
    const wanted = golden.outputs[output]
    if (!graph || !wanted) throw new Error('no output')
    expect(blocks.map(({ index }) => index)).toEqual(blocks.map((_, at) => at))
    const feeds = feedsOf(golden)
    const cuts = blocks.map((block) => cutBefore(graph, block))
    const known = await values(network, { inputs: [], outputs: [...new Set(cuts.flat())] }, feeds)
    for (const [index, inputs] of cuts.entries()) {
      const cached = Object.fromEntries(inputs.map((value) => [value, known[value] as TensorValue]))
      const found = await values(network, { inputs, outputs: [output] }, { ...feeds, ...cached })
      expect(difference(found[output], wanted)).toBeLessThan(1e-5)
      const own = network.layers.filter((layer) => layer.block === index).map((layer) => layer.name)
      expect(new Set(own)).toEqual(new Set(blocks[index]?.layers))
    }
    network.source.close()
  },
)

test('blocks and roles of two towers', () => {
  const network = open(find('clip_legacy'))
  network.source.close()
  expect(network.task).toBe('image-text-similarity')
  expect(network.blocks.map(({ name, inputs }) => [name, ...inputs])).toEqual([
    ['vision_model.encoder.layers.0', 'image.hidden.0'],
    ['vision_model.encoder.layers.1', 'image.hidden.1'],
    ['text_model.encoder.layers.0', 'text.hidden.0', 'image_embeds'],
    ['text_model.encoder.layers.1', 'text.hidden.1', 'image_embeds'],
  ])
  const roles = network.layers.filter((layer) => layer.compressible).map((layer) => layer.role)
  expect(new Set(roles)).toEqual(new Set(['conv', 'q', 'k', 'v', 'o', 'up', 'down']))
  for (const { name } of network.layers) expect(network.graph?.initializers.get(name)?.data).toEqual({ source: name })
})

test('LLaVA is a language model behind a tower', () => {
  const network = open(find('llava_old'))
  network.source.close()
  expect(network.task).toBe('image-text-to-text')
  expect(network.head?.weight).toBe('language_model.lm_head.weight')
  expect(network.blocks.map(({ name }) => name)).toEqual([
    'vision_tower.vision_model.encoder.layers.0',
    'vision_tower.vision_model.encoder.layers.1',
    'language_model.model.layers.0',
    'language_model.model.layers.1',
  ])
  expect(network.card['image tokens']).toBe('4 of number 36')
})

test.each([
  ['swin_classes', 'window_size', { window_size: 9 }],
  ['swin_classes', 'image_size', { image_size: 17 }],
  ['swin_classes', 'image_size', { image_size: 8192 }],
  ['vit_classes', 'hidden_act', { hidden_act: 'maxout' }],
  ['llava_old', 'text_config.model_type', { text_config: { model_type: 'mamba' } }],
  ['llava_old', 'vision_feature_select_strategy', { vision_feature_select_strategy: 'anyres' }],
])('%s with a %s that cannot be honoured opens as tensors only, and says so', (name, field, config) => {
  const network = open(find(name), config)
  network.source.close()
  expect(network.graph).toBeNull()
  expect(network.notices.join(' ')).toContain(field)
})

test('a wrong setting is a fault that names it', () => {
  expect(() => open(find('llava_old'), { vision_feature_layer: 9 })).toThrow(/vision_feature_layer/)
  expect(() => open(find('swin_classes'), { window_size: 400 })).toThrow(/window_size is .*400, expected .* 1 to 32/)
  expect(() => open(find('vit_classes'), { image_size: [16] })).toThrow(
    /image_size is .*, expected one or two integers/,
  )
  expect(() => open(find('vit_classes'), { id2label: { 0: 'one' } })).toThrow(/classifier\.weight is \[5, 32\]/)
})
