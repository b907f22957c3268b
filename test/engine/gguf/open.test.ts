import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openNetwork, summarise } from '../../../src-main/engine/checkpoint/open.ts'
import { readFloat32 } from '../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { tokenizerFrom } from '../../../src-main/engine/data/text/tokenizer.ts'
import { evaluateNetwork } from '../../../src-main/engine/evaluate/evaluate.ts'
import { decodeBlocks } from '../../../src-main/engine/kernels/ggml/decode.ts'
import { type GgmlType, ggmlTypes } from '../../../src-main/engine/kernels/ggml/types.ts'
import { makeCase } from '../../corpus/make.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { ggufFile } from '../../helpers/gguf.ts'
import { faultOf, fileWith, temporaryFolder } from '../checkpoint/temporary.ts'
import { uniform } from '../kernels/random.ts'
import { llamaFile, llamaParts } from './models.ts'

const sample = join(import.meta.dirname, '../../../resources/samples/language')

test('the sample as GGUF is the same network: tensors, settings, tokens', () => {
  const folder = openNetwork(sample)
  const network = openNetwork(fileWith(llamaFile(sample), 'language.gguf'))
  expect(network).toMatchObject({ name: 'language', format: 'gguf', family: 'llama', task: 'causal-lm', notices: [] })
  expect(network.layers.map(({ name }) => name)).toEqual(folder.layers.map(({ name }) => name))
  for (const { name } of folder.layers) {
    expect(network.source.tensors.get(name)?.shape).toEqual(folder.source.tensors.get(name)?.shape)
    expect(readFloat32(network, name)).toEqual(readFloat32(folder, name))
  }
  expect(network.head).toEqual(folder.head)
  const [one, other] = [network, folder].map(({ tokenizer }) => {
    if (!tokenizer) throw new Error('no tokenizer')
    return tokenizerFrom(tokenizer.read(), tokenizer.file)
  })
  const text = 'The cat sat on the mat, and 12 dogs ran after Anna.' // where both cut words alike
  expect(one?.encode(text, 'a text')).toEqual(other?.encode(text, 'a text'))
  expect(summarise(network).card).toMatchObject({ architecture: 'llama', licence: 'mit', 'file type': 'F32' })
  folder.source.close()
  network.source.close()
})

test('rows of a tensor can be read from anywhere', () => {
  const folder = openNetwork(sample)
  const network = openNetwork(fileWith(llamaFile(sample), 'language.gguf'))
  const name = 'model.layers.0.self_attn.q_proj.weight'
  const whole = readFloat32(folder, name)
  const random = uniform(7)
  for (let trial = 0; trial < 50; trial++) {
    const [a, b] = [random(), random()].map((x) => Math.floor(x * (whole.length + 1)))
    const range = { begin: Math.min(a ?? 0, b ?? 0), end: Math.max(a ?? 0, b ?? 0) }
    expect(readFloat32(network, name, range)).toEqual(whole.slice(range.begin, range.end))
  }
  folder.source.close()
  network.source.close()
})

/** Seeded blocks whose scales are finite numbers. */
function blocksOf(type: GgmlType, count: number, seed: number): Uint8Array {
  const random = uniform(seed)
  for (;;) {
    const bytes = Uint8Array.from({ length: ggmlTypes[type].blockBytes * count }, () => Math.floor(random() * 256))
    if (decodeBlocks(type, bytes).every(Number.isFinite)) return bytes
  }
}

test.each(['Q8_0', 'Q4_0', 'Q5_1', 'IQ4_NL'] as const)('packed rows of %s move without being decoded', (type) => {
  const parts = llamaParts(sample)
  const name = 'model.layers.1.self_attn.k_proj.weight'
  const { dims } = parts.tensors.find((each) => each.name === 'blk.1.attn_k.weight') ?? { dims: [] }
  const [cols = 0, rows = 0] = dims.map(Number)
  const { blockSize, blockBytes, id } = ggmlTypes[type]
  const rowBytes = (cols / blockSize) * blockBytes
  const packed = new Uint8Array(
    Buffer.concat(Array.from({ length: rows }, (_, row) => blocksOf(type, cols / blockSize, row))),
  )
  const tensors = parts.tensors.map((each) =>
    each.name === 'blk.1.attn_k.weight' ? { ...each, type: id, data: packed } : each,
  )
  const network = openNetwork(fileWith(ggufFile({ ...parts, tensors }), 'packed.gguf'))
  const { source } = network
  expect(source.tensors.get(name)).toMatchObject({
    dtype: 'float32',
    shape: [rows, cols],
    bytes: rows * cols * 4,
    stored: { type, bytes: packed.length },
  })
  const heads = Number(network.config?.get('num_key_value_heads'))
  const size = rows / heads
  const stored = source.readStored?.(name) ?? new Uint8Array(0)
  for (let row = 0; row < rows; row++) {
    const [head, half, i] = [Math.floor(row / size), Math.floor((row % size) / (size / 2)), row % (size / 2)]
    const from = (head * size + i * 2 + half) * rowBytes
    expect(stored.subarray(row * rowBytes, (row + 1) * rowBytes)).toEqual(packed.subarray(from, from + rowBytes))
  }
  expect(source.readStored?.(name, { begin: rowBytes * 3, end: rowBytes * 7 })).toEqual(
    stored.slice(rowBytes * 3, rowBytes * 7),
  )
  expect(readFloat32(network, name)).toEqual(decodeBlocks(type, stored))
  const inside = { begin: 37, end: 101 } // begins and ends within a block
  expect(readFloat32(network, name, inside)).toEqual(decodeBlocks(type, stored).slice(inside.begin, inside.end))
  expect(source.readStored?.('model.norm.weight')).toBeNull()
  source.close()
})

test('a file that changes while it is open is noticed', () => {
  const path = fileWith(llamaFile(sample), 'language.gguf')
  const network = openNetwork(path)
  writeFileSync(path, new Uint8Array(100))
  expect(faultOf(() => readFloat32(network, 'model.norm.weight')).message).toMatch(/changed its size/)
  network.source.close()
})

test('a begin token that is none of the tokens is refused where it is used', () => {
  const parts = llamaParts(sample)
  const pairs = [
    ...parts.pairs.filter(([key]) => key !== 'tokenizer.ggml.bos_token_id'),
    ['tokenizer.ggml.bos_token_id', { u32: 9_999_999 }] as const,
    ['tokenizer.ggml.add_bos_token', { bool: true }] as const,
  ]
  const network = openNetwork(fileWith(ggufFile({ ...parts, pairs }), 'odd.gguf'))
  const fault = faultOf(() => network.tokenizer?.read())
  expect(fault.data).toMatchObject({ field: 'tokenizer.ggml.bos_token_id', found: '9999999' })
  network.source.close()
})

describe('a set of files', () => {
  test('opens by its folder and by any part', () => {
    const folder = makeCase('GG22-set', temporaryFolder())
    const networks = ['', 'model-00001-of-00003.gguf', 'model-00003-of-00003.gguf'].map((name) =>
      openNetwork(join(folder, name)),
    )
    const [first] = networks
    for (const network of networks) {
      expect(network.files).toHaveLength(3)
      expect(network.name).toBe('model')
      expect(network.path).toBe(first?.path)
      expect(network.fingerprint).toBe(first?.fingerprint)
      expect(readFloat32(network, 'model.norm.weight')[0]).toBe(0.25)
      network.source.close()
    }
  })

  test('says which parts are missing, and which models a folder holds', () => {
    const missing = faultOf(() => openNetwork(makeCase('GG22-part-2-missing', temporaryFolder())))
    expect(missing).toMatchObject({ code: 'not-found', data: { found: 'model-00002-of-00003.gguf' } })
    const several = faultOf(() => openNetwork(makeCase('GG22-two-models', temporaryFolder())))
    expect(several.hint).toMatch(/a\.gguf, b\.gguf/)
  })
})

describe.runIf(hasData)('real models', () => {
  const evaluate = async (model: string, data: string) => {
    const network = openNetwork(model)
    try {
      const dataset = await openDataset({ path: data, split: 'auto' }, network)
      const context = { progress: () => undefined, notify: (text: string) => expect.unreachable(text) }
      const args = { network, dataset, part: 'evaluate', overrides: null, device: 'cpu' } as const
      return { ...(await evaluateNetwork(args, context)), details: dataset.details }
    } finally {
      network.source.close()
    }
  }

  // The README beside the models gives 4.7581. Tokens come from the file's own scores.
  test('stories260K has the published perplexity', { timeout: 120_000 }, async () => {
    const path = fileWith(llamaFile(dataPath('stories260K')), 'stories.gguf')
    const { metrics, predictions, details } = await evaluate(path, dataPath('stories260K/data.yaml'))
    expect(metrics.perplexity?.value.toFixed(4)).toBe('4.7581')
    expect(predictions).toBe(41393)
    expect(details.tokenizer).toBe('stories.gguf')
  })

  test('novels-5m: the same tensors and tokens as its folder', () => {
    const folder = openNetwork(dataPath('novels-5m'))
    const network = openNetwork(fileWith(llamaFile(dataPath('novels-5m')), 'novels.gguf'))
    for (const { name } of folder.layers) expect(network.source.read(name)).toEqual(folder.source.read(name))
    expect(network.head).toEqual(folder.head)
    folder.source.close()
    network.source.close()
  })
})
