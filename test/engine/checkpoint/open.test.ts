import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { listFolder } from '../../../src-main/engine/checkpoint/hf-folder.ts'
import { openNetwork, summarise } from '../../../src-main/engine/checkpoint/open.ts'
import { parseJsonObject } from '../../../src-main/engine/checkpoint/json.ts'
import { encodeSafetensors } from '../../../src-main/engine/checkpoint/safetensors.ts'
import { Settings } from '../../../src-main/engine/graph/families/config.ts'
import type { TensorInfo } from '../../../src-main/engine/checkpoint/network.ts'
import { modelFamilies } from '../../../src-main/engine/graph/families/registry.ts'
import type { DataType } from '../../../src-main/engine/graph/ir.ts'
import { checkpointSummarySchema } from '../../../src-preload/contract/model.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { familyCases, goldenCases, goldenTensors, writeGoldenFolder, type GoldenCase } from '../families/golden.ts'
import { faultOf, temporaryFolder } from './temporary.ts'

const plain = goldenCases.find(({ name }) => name === 'plain') as GoldenCase

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})
const goldenFolder = (config: Record<string, unknown> = {}): string => {
  const folder = writeGoldenFolder(plain, 1, config)
  folders.push(folder)
  return folder
}

const fingerprint = (path: string) => {
  const network = openNetwork(path)
  network.source.close()
  return network.fingerprint
}

test('a folder opens as the contract says', () => {
  const folder = goldenFolder()
  const network = openNetwork(folder)
  const summary = summarise(network)
  network.source.close()
  expect(checkpointSummarySchema.parse(summary)).toEqual(summary)
  expect(summary).toMatchObject({ format: 'safetensors', family: 'llama', task: 'causal-lm', blocks: 2, notices: [] })
  const count = Object.values(plain.tensors).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0)
  expect(summary.parameters).toBe(count)
  expect(summary.bytes).toBe(statSync(join(folder, 'model.safetensors')).size)
  expect(summary.card['context length']).toBe('64')
})

test('the fingerprint follows content, not place', () => {
  const folder = goldenFolder()
  const copy = join(temporaryFolder(), 'copy')
  cpSync(folder, copy, { recursive: true })
  const original = fingerprint(folder)
  expect(fingerprint(copy)).toBe(original)
  const weights = join(copy, 'model.safetensors')
  const bytes = readFileSync(weights)
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1
  writeFileSync(weights, bytes)
  expect(fingerprint(copy)).not.toBe(original)
})

test('a snapshot of a Hugging Face cache opens through its links, as a folder and by its weights', () => {
  const repository = temporaryFolder()
  const snapshot = join(repository, 'snapshots', 'abc')
  mkdirSync(snapshot, { recursive: true })
  cpSync(goldenFolder(), join(repository, 'blobs'), { recursive: true })
  for (const name of ['config.json', 'model.safetensors']) symlinkSync(join('../../blobs', name), join(snapshot, name))
  const names = [snapshot, join(snapshot, 'model.safetensors')].map((path) => {
    const network = openNetwork(path)
    network.source.close()
    return `${network.family} ${network.fingerprint}`
  })
  expect(names[0]).toMatch(/^llama /)
  expect(names[1]).toBe(names[0])
})

test('in a large file the fingerprint sees changes at both ends and at spots between', () => {
  const size = 12 << 20
  const path = join(temporaryFolder(), 'large.safetensors')
  const data = new Uint8Array(size)
  const write = () => writeFileSync(path, encodeSafetensors({ t: { dtype: 'uint8', shape: [size], data } }))
  write()
  const seen = new Set([fingerprint(path)])
  const step = Math.floor((size - (1 << 20) - (64 << 10)) / 255)
  for (const at of [0, size - 1, (1 << 20) + 100 * step]) {
    data[at] = 1
    write()
    seen.add(fingerprint(path))
  }
  expect(seen.size).toBe(4)
})

test('a folder with a configuration that cannot run still opens, and says why', () => {
  const folder = goldenFolder({ hidden_act: 'xielu' })
  const network = openNetwork(folder)
  expect(network).toMatchObject({ family: 'tensors-only', task: 'none', graph: null, head: null })
  expect(network.notices.join(' ')).toContain('xielu')
  expect(network.layers.find(({ name }) => name.endsWith('q_proj.weight'))).toMatchObject({
    role: 'q',
    compressible: true,
  })
  network.source.close()
})

test('a folder is listed up to a limit, hidden files left out', () => {
  const folder = temporaryFolder()
  for (const name of ['b', 'a', '._a', 'c']) writeFileSync(join(folder, name), '')
  expect(listFolder(folder)).toEqual({ names: ['a', 'b', 'c'], truncated: false })
  const short = listFolder(folder, 2)
  expect(short.truncated).toBe(true)
  expect(short.names.length).toBeLessThanOrEqual(2)
  expect(faultOf(() => listFolder(join(folder, 'nothing'))).code).toBe('not-found')
})

test('refuses an empty path and a NUL character', () => {
  expect(faultOf(() => openNetwork('')).code).toBe('bad-arguments')
  expect(faultOf(() => openNetwork('model\0.onnx')).code).toBe('bad-arguments')
})

// Any configuration either builds a graph or is a Fault; nothing else is thrown and nothing hangs.
test('twenty thousand odd configurations are Faults or graphs', () => {
  const dtypes: Record<GoldenCase['dtype'], DataType> = {
    F32: 'float32',
    F64: 'float64',
    F16: 'float16',
    BF16: 'bfloat16',
  }
  const bases = modelFamilies.map((family) => {
    const base = familyCases.find(({ config }) => config.model_type === family.id) ?? plain
    const entries = [...goldenTensors(base)].map(([name, { shape, data }]): [string, TensorInfo] => {
      return [name, { name, dtype: dtypes[base.dtype], shape: [...shape], bytes: data.byteLength, file: 'w' }]
    })
    return { family, base, tensors: new Map(entries) }
  })
  const odd = fc.oneof(
    fc.integer({ min: -2, max: 70 }),
    fc.constantFrom<unknown>(null, true, 'x', '', [], {}, 0.5, 1e308, 2 ** 53, -1, [1], ['full_attention']),
    fc.record({
      type: fc.constantFrom('linear', 'dynamic', 'llama3', 'yarn', 'longrope', 'x'),
      factor: fc.double({ noNaN: true }),
    }),
    fc.record({
      rope_type: fc.constantFrom('llama3', 'yarn', 'longrope'),
      factor: fc.constantFrom(1, 2, 8, null),
      low_freq_factor: fc.constantFrom(1, 4),
      high_freq_factor: fc.constantFrom(1, 4),
      original_max_position_embeddings: fc.constantFrom(1, 2, 16, 0, null),
    }),
  )
  const fields = [
    ...new Set(bases.flatMap(({ base }) => Object.keys(base.config))),
    ...['head_dim', 'rope_scaling', 'rope_parameters', 'sliding_window', 'use_sliding_window', 'layer_types'],
    ...['attention_bias', 'mlp_bias', 'partial_rotary_factor', 'max_window_layers'],
  ]
  const change = fc.dictionary(fc.constantFrom(...fields), odd, { minKeys: 1, maxKeys: 3 })
  let built = 0
  fc.assert(
    fc.property(change, fc.constantFrom(...bases), (changes, { family, base, tensors }) => {
      const text = JSON.stringify({ ...base.config, ...changes })
      try {
        const config = new Settings(parseJsonObject(new TextEncoder().encode(text), 'config.json'), 'config.json')
        const { graph, cached } = family.build(config, tensors)
        const all = [graph, ...(cached ? [cached()] : [])].flatMap(({ initializers }) => [...initializers.values()])
        const constants = all.flatMap(({ data, dtype }) =>
          'inline' in data && dtype === 'float32' ? [...new Float32Array(data.inline.slice().buffer)] : [],
        )
        expect(constants.every(Number.isFinite)).toBe(true)
        built++
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        expect(error.code).not.toBe('internal')
      }
    }),
    { numRuns: 20_000 },
  )
  expect(built).toBeGreaterThan(3000)
})

describe.skipIf(!hasData)('real models', () => {
  const models = hasData
    ? readdirSync(dataPath()).flatMap((folder) =>
        statSync(dataPath(folder)).isDirectory()
          ? readdirSync(dataPath(folder))
              .filter((name) => /\.(onnx|safetensors)$/.test(name))
              .map((name) => `${folder}/${name}`)
          : [],
      )
    : []
  test.each([...models, 'stories260K', 'novels-5m'])('%s opens in under a second', (path) => {
    const began = performance.now()
    const network = openNetwork(dataPath(path))
    expect(performance.now() - began).toBeLessThan(1000)
    expect(network.layers.length).toBeGreaterThan(10)
    expect(network.layers.some((layer) => layer.compressible)).toBe(true)
    expect(checkpointSummarySchema.parse(summarise(network)).parameters).toBeGreaterThan(200_000)
    network.source.close()
  })
  test('a PyTorch pickle opens by content, as tensors only', () => {
    const network = openNetwork(dataPath('cifar10/resnet20.th'))
    expect(checkpointSummarySchema.parse(summarise(network))).toMatchObject({
      format: 'pytorch',
      family: 'tensors-only',
    })
    network.source.close()
  })
})
