// Folder exports from sources of other formats, of weights that lie the other way round, and with measured importance.
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { toFloat32 } from '../../../src-main/engine/checkpoint/convert.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { readMatrix } from '../../../src-main/engine/checkpoint/weights.ts'
import { dequantize } from '../../../src-main/engine/quantize/dequantize.ts'
import { applyPlain, rtnOption } from '../../../src-main/engine/quantize/options.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { familyCases, writeGoldenFolder } from '../families/golden.ts'
import { quiet, temporaryFolder } from '../score/network.ts'
import { converted, exporterNamed, json, plainTensors } from './folders-of.ts'

test.skipIf(!hasData)(
  'safetensors to GGUF F32 to safetensors is bit-exact, with configuration and tokenizer',
  async () => {
    const network = openNetwork(dataPath('stories260K'))
    const { path: gguf } = await converted(
      network,
      'gguf',
      { type: 'F32' },
      { path: join(temporaryFolder(), 'm.gguf') },
    )
    const between = openNetwork(gguf)
    const { path, plannedBytes, result } = await converted(between, 'safetensors-float')
    expect(result.files.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(plannedBytes)
    const found = plainTensors(join(path, 'model.safetensors'))
    const original = plainTensors(dataPath('stories260K', 'model.safetensors'))
    expect([...found.keys()].sort()).toEqual([...original.keys()].sort())
    for (const [name, tensor] of original) expect(found.get(name), name).toEqual(tensor)
    const [before, after] = [json(dataPath('stories260K'), 'config.json'), json(path, 'config.json')]
    for (const field of [
      'model_type',
      'hidden_size',
      'num_hidden_layers',
      'num_key_value_heads',
      'vocab_size',
      'rms_norm_eps',
    ])
      expect(after[field], field).toEqual(before[field])
    const vocabulary = (folder: string) => (json(folder, 'tokenizer.json') as { model: { vocab: unknown } }).model.vocab
    expect(Object.keys(vocabulary(path) as object)).toHaveLength(512)
    expect(json(path, 'tokenizer_config.json')).toMatchObject({ bos_token: '<s>', eos_token: '</s>' })
    // And packed, straight from the GGUF.
    const packed = await converted(between, 'gptq', { groupSize: 32 })
    expect(openNetwork(packed.path).card.packed).toContain('GPTQ 4-bit g32')
  },
)

test('weights whose tensor is the transpose come out in the tensor’s own order', async () => {
  const golden = familyCases.find(({ config }) => config.model_type === 'gpt2')
  if (!golden) throw new Error('no GPT-2 case')
  const folder = writeGoldenFolder(golden)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const network = openNetwork(folder)
  const turned = network.layers.filter(({ order, compressible }) => order === 'cols' && compressible)
  expect(turned.length).toBeGreaterThan(2)
  const options = new Map(turned.map(({ name }) => [name, rtnOption(3, 32)]))
  const args = {
    network,
    artifacts: [],
    options,
    path: join(temporaryFolder(), 'out'),
    dataset: null,
    overwrite: false,
    plannedBytes: 0,
  }
  await exporterNamed('safetensors-float').write(args, quiet)
  const tensors = plainTensors(join(args.path, 'model.safetensors'))
  for (const layer of turned) {
    const { data, rows, cols } = dequantize(applyPlain(readMatrix(network, layer), rtnOption(3, 32)))
    const bytes = tensors.get(layer.name)?.bytes ?? new Uint8Array(0)
    const found = toFloat32(bytes, layer.dtype)
    expect(
      found.every((value, i) => value === data[(i % rows) * cols + Math.floor(i / rows)]),
      layer.name,
    ).toBe(true)
  }
})

test.skipIf(!hasData)(
  'options that weigh by importance use it, at the same bytes; without it they are a fault',
  async () => {
    const network = openNetwork(dataPath('stories260K'))
    const name = 'model.layers.2.self_attn.q_proj.weight'
    const layer = network.layers.find((each) => each.name === name)
    if (!layer) throw new Error(name)
    const exporter = exporterNamed('awq')
    const offered = exporter.planBytes(network).layers.find((each) => each.name === name)?.options ?? []
    const [plain, weighted] = ['rtn-4-g64', 'rtn-4-g64-w'].map((id) => offered.find((option) => option.id === id))
    if (!plain || !weighted) throw new Error('no such options')
    expect(weighted.bytes).toBe(plain.bytes)
    const importance = Float32Array.from({ length: layer.cols }, (_, c) => (c % 8 === 0 ? 100 : 0.01))
    const original = readMatrix(network, layer).data
    const error = async (option: typeof plain): Promise<number> => {
      const options = new Map([[name, option]])
      const path = join(temporaryFolder(), 'out')
      const args = {
        network,
        artifacts: [],
        options,
        importance: () => importance,
        path,
        dataset: null,
        overwrite: false,
        plannedBytes: 0,
      }
      await exporter.write(args, quiet)
      const reopened = openNetwork(path)
      const found = readMatrix(reopened, reopened.layers.find((each) => each.name === name) ?? layer).data
      return found.reduce(
        (sum, value, i) => sum + (importance[i % layer.cols] ?? 0) * (value - (original[i] ?? 0)) ** 2,
        0,
      )
    }
    expect(await error(weighted)).toBeLessThan(0.8 * (await error(plain)))
    const options = new Map([[name, weighted]])
    const args = {
      network,
      artifacts: [],
      options,
      path: join(temporaryFolder(), 'x'),
      dataset: null,
      overwrite: false,
      plannedBytes: 0,
    }
    await expect(exporter.write(args, quiet)).rejects.toMatchObject({ code: 'bad-arguments', data: { tensor: name } })
  },
)

test('a folder with an older vocabulary gets a tokenizer.json beside it', async () => {
  const golden = familyCases.find(({ config }) => config.model_type === 'gpt2')
  if (!golden) throw new Error('no GPT-2 case')
  const folder = writeGoldenFolder(golden)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'vocab.json'), '{"a":0,"b":1,"ab":2}')
  writeFileSync(join(folder, 'merges.txt'), '#version: 0.2\na b\n')
  const { path } = await converted(openNetwork(folder), 'safetensors-float')
  expect(json(path, 'tokenizer.json')).toMatchObject({ model: { type: 'BPE', vocab: { ab: 2 }, merges: [['a', 'b']] } })
  expect(json(path, 'vocab.json')).toEqual({ a: 0, b: 1, ab: 2 })
  writeFileSync(join(folder, 'tokenizer_config.json'), '{"tokenizer_class":"SpiralTokenizer"}')
  const other = await converted(openNetwork(folder), 'safetensors-float')
  expect(existsSync(join(other.path, 'tokenizer.json'))).toBe(false)
})
