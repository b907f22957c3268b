// One small network of every family in every folder format: as large as planned, and the same model when it is opened again
// (which the exporters check themselves before they give the folder its name).
import { rmSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { networkCases, writeCase } from '../families/golden-case.ts'
import { familyCases, goldenCases, writeGoldenFolder } from '../families/golden.ts'
import { converted, exporterNamed, json } from './folders-of.ts'

const folders = new Map<string, string>()
afterAll(() => {
  for (const folder of folders.values()) rmSync(folder, { recursive: true, force: true })
})
const typeOf = ({ config }: { config: object }) => String((config as { model_type?: unknown }).model_type)
for (const golden of [...networkCases('encoder'), ...networkCases('vision')])
  if (!folders.has(typeOf(golden))) folders.set(typeOf(golden), writeCase(golden))
for (const golden of [...goldenCases, ...familyCases])
  if (!folders.has(typeOf(golden))) folders.set(typeOf(golden), writeGoldenFolder(golden))

test('there is a case of every kind', () => expect(folders.size).toBeGreaterThanOrEqual(18))

test.each([...folders.keys()])('%s', async (type) => {
  const network = openNetwork(folders.get(type) ?? '')
  let packed = 0
  for (const id of ['safetensors-float', 'compressed-tensors', 'gptq', 'awq']) {
    if (exporterNamed(id).refuses(network) !== null) continue
    const given = id === 'safetensors-float' ? {} : { groupSize: 32 }
    const { path, result, plannedBytes, options } = await converted(network, id, given)
    expect(
      result.files.reduce((sum, { bytes }) => sum + bytes, 0),
      id,
    ).toBe(plannedBytes)
    expect(result.verified.join(' '), id).toContain('It opens with its')
    const config = json(path, 'config.json')
    expect(config.model_type).toBe(type)
    expect('quantization_config' in config, id).toBe(options.size > 0)
    packed += options.size
  }
  // GPT-2 keeps its matrices the other way round, which these formats do not know.
  expect(packed > 0).toBe(type !== 'gpt2')
  network.source.close()
})
