// Networks with blocks left out, in every format that holds them: as large as planned, numbered without gaps, and the same
// function as the network Lathe evaluates.
import { join } from 'node:path'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { readMatrix, weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import { openTokenizer } from '../../../src-main/engine/data/text/tokenizer.ts'
import { removeBlocks } from '../../../src-main/engine/graph/rewrites/remove-blocks.ts'
import type { Artifact, Prepared } from '../../../src-main/engine/protocol.ts'
import { writeArtifact } from '../../../src-main/engine/quantize/artifact.ts'
import { applyPlain } from '../../../src-main/engine/quantize/options.ts'
import { cachedNetwork } from '../../../src-main/engine/tasks/cache.ts'
import { overridesOf } from '../../../src-main/engine/tasks/evaluate.ts'
import { exportVariant } from '../../../src-main/engine/tasks/export.ts'
import { options } from '../../../src-main/engine/tasks/options.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { hasLlama } from '../../helpers/llama.ts'
import { allCases } from '../prepare/cases.ts'
import { type Feeds, feedsFor, outputsOf, relativeError } from '../prepare/compare.ts'
import { fail } from '../families/run.ts'
import { quiet, temporaryFolder } from '../score/network.ts'
import { agreement, latheExpectations } from './gguf/agreement.ts'
import { exporterNamed, json } from './folders-of.ts'

const opened: Network[] = []
afterAll(() => opened.forEach(({ source }) => source.close()))

const open = (path: string): Network => {
  const network = openNetwork(path)
  opened.push(network)
  return network
}

const windowsOf = (name: string, windows: number, context: number): number[][] => {
  const text = readFileSync(dataPath(name, 'valid.txt'), 'utf8').slice(0, 12_000)
  const tokens = openTokenizer(dataPath(name, 'tokenizer.json')).encode(text, name)
  return Array.from({ length: windows }, (_, i) => [0, ...tokens.slice(i * (context - 1), (i + 1) * (context - 1))])
}

const leaveOut = (...blocks: number[]): Prepared[] => [
  { method: 'remove-blocks', parameters: { blocks }, seed: 0, file: null },
]

/** Plans, compresses and exports as a recipe does. */
async function exported(checkpoint: string, prepared: Prepared[], format: string, choice: string[]) {
  const plan = await options({ checkpoint, format, prepared, quantizer: null, levers: [], also: [] })
  const network = cachedNetwork(checkpoint, prepared)
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'artifacts'))
  let plannedBytes = plan.baseBytes
  const artifacts = plan.layers.flatMap(({ name, options: offered }, index): Artifact[] => {
    const wanted = choice[index % choice.length] ?? 'keep'
    const option =
      offered.find(({ id }) => id === wanted || id.startsWith(`${wanted}-`)) ??
      offered.find(({ id }) => id === 'keep') ??
      fail(name)
    plannedBytes += option.bytes
    const layer = network.layers.find((each) => each.name === name) ?? fail(name)
    if (option.method === 'keep') return []
    const made = applyPlain(readMatrix(network, layer), option, { layer: name })
    return [
      {
        layer: name,
        option,
        relativeError: 0,
        ...writeArtifact(join(folder, 'artifacts'), made, { layer: name, option, methodVersion: 1 }),
      },
    ]
  })
  const path = join(folder, format === 'gguf' ? 'out.gguf' : 'out')
  const args = { checkpoint, prepared, artifacts, format, path, data: null, overwrite: false, plannedBytes }
  const result = await exportVariant({ ...args, parameters: {}, card: [] }, quiet)
  const weights = result.files.filter(({ path: file }) => /\.(safetensors|gguf|onnx)$/.test(file))
  const bytes = weights.reduce((sum, file) => sum + file.bytes, 0)
  return { network, artifacts, plannedBytes, bytes, path, plan, result }
}

async function variantOutputs(
  network: Network,
  artifacts: Parameters<typeof overridesOf>[1],
  feeds: Feeds,
): Promise<Feeds> {
  const reader = weightReader(network, overridesOf(network, artifacts))
  const session = await openSession(network.graph ?? fail('no graph'), reader, { device: 'cpu', threads: 1 }, fail)
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}

const only = (feeds: Feeds) => Array.from(Object.values(feeds)[0]?.data ?? [], Number)

describe.skipIf(!hasData)('trained models', () => {
  const cases: [string, number[], string, string[], number][] = [
    ['novels-5m', [4], 'safetensors-float', ['keep'], 1e-6],
    ['novels-5m', [3, 5], 'safetensors-float', ['keep'], 1e-6],
    ['stories260K', [0], 'safetensors-float', ['keep'], 1e-6],
    ['stories260K', [2, 3], 'safetensors-float', ['keep'], 1e-6],
    ['novels-5m', [2, 6], 'compressed-tensors', ['rtn-4'], 1e-3], // what stays is rounded to halves
    ['novels-5m', [7], 'gptq', ['rtn-4'], 1e-3],
    ['novels-5m', [1], 'awq', ['rtn-4'], 1e-3],
    ['novels-5m', [4, 5], 'gguf', ['gguf-q4_k', 'gguf-q8_0', 'keep'], 1e-4],
    ['stories260K', [1], 'gguf', ['gguf-q8_0'], 1e-4],
  ]
  test.each(cases)(
    '%s without %j as %s: the file holds the network that was evaluated',
    async (name, blocks, format, choice, most) => {
      const { network, artifacts, plannedBytes, bytes, path, plan } = await exported(
        dataPath(name),
        leaveOut(...blocks),
        format,
        choice,
      )
      expect(bytes).toBe(plannedBytes)
      const compressible = new Set(network.layers.filter((layer) => layer.compressible).map((layer) => layer.name))
      for (const layer of plan.layers) expect(compressible.has(layer.name)).toBe(true)
      const [again, whole] = [open(path), open(dataPath(name))]
      expect(again.blocks.map((block) => block.name)).toEqual(
        whole.blocks.slice(0, -blocks.length).map((block) => block.name),
      )
      const feeds = feedsFor(network, 24, 7)
      const wanted = only(await variantOutputs(network, artifacts, feeds))
      expect(relativeError(wanted, only(await outputsOf(again, feeds)))).toBeLessThan(most)
      expect(relativeError(wanted, only(await outputsOf(whole, feeds)))).toBeGreaterThan(0.01)
    },
  )

  test("Lathe's own packed form", async () => {
    const { plannedBytes, bytes, path, result } = await exported(dataPath('novels-5m'), leaveOut(3, 5), 'safetensors', [
      'rtn-4',
      'rtn-3',
      'keep',
    ])
    expect(bytes).toBe(plannedBytes)
    const modules = new Set(
      [...open(path).source.tensors.keys()].flatMap((each) => /layers\.(\d+)/.exec(each)?.[1] ?? []),
    )
    expect([...modules].sort()).toEqual(['0', '1', '2', '3', '4', '5'])
    expect(result.verified.join(' ')).toContain('equal')
    expect(readFileSync(join(path, 'README.md'), 'utf8')).toContain(
      'Of the 8 blocks of the source these are left out: 4, 6.',
    )
    expect(
      readdirSync(path)
        .filter((file) => file.endsWith('.lathe.json'))
        .map((file) => json(path, file).blocksLeftOut),
    ).toEqual([[3, 5]])
  })

  test.skipIf(!hasLlama)('llama.cpp computes the same from the GGUF file', async () => {
    const { path, network, artifacts } = await exported(dataPath('novels-5m'), leaveOut(3, 5), 'gguf', ['gguf-q8_0'])
    const windows = windowsOf('novels-5m', 4, 128)
    const { perplexity, sameRounded } = await agreement(path, windows)
    const evaluated = await latheExpectations(network, windows, overridesOf(network, artifacts))
    const mean = evaluated.reduce((sum, { nll }) => sum + nll, 0) / evaluated.length
    expect(Math.abs(perplexity.lathe / Math.exp(mean) - 1)).toBeLessThan(1e-4)
    expect(Math.abs(perplexity.llama / perplexity.lathe - 1)).toBeLessThan(0.01)
    expect(sameRounded).toBeGreaterThanOrEqual(0.97)
  })

  test('transformers.js gets caches without gaps', async () => {
    const { plannedBytes, bytes, path } = await exported(dataPath('stories260K'), leaveOut(1, 3), 'transformers-js', [
      'rtn-4',
    ])
    expect(Math.abs(bytes / plannedBytes - 1)).toBeLessThan(0.005)
    expect(json(path, 'config.json').num_hidden_layers).toBe(3)
    const [file] = readdirSync(join(path, 'onnx'))
    const { graph } = open(join(path, 'onnx', file ?? ''))
    const caches = graph?.inputs.flatMap((input) => /^past_key_values\.(\d+)\.key$/.exec(input.name)?.[1] ?? [])
    expect(caches).toEqual(['0', '1', '2'])
  })

  test.each([
    ['vit-cifar10/vit_tiny_cifar10.onnx', [2, 4], 'onnx'],
    ['cifar10/resnet32.onnx', [3, 8], 'onnx'],
    ['cifar10/resnet32.onnx', [1], 'onnx-folded'],
    ['novels-5m', [6], 'onnx'],
  ])('%s without %j as %s', async (name, blocks, format) => {
    const { network, artifacts, plannedBytes, bytes, path } = await exported(
      dataPath(name),
      leaveOut(...blocks),
      format,
      ['rtn-8', 'rtn-4'],
    )
    expect(Math.abs(bytes / plannedBytes - 1)).toBeLessThan(0.005) // what every ONNX file is held to
    const again = open(path)
    const feeds = feedsFor(network, 24, 7)
    const outputs = await outputsOf(again, feeds)
    if (network.config) expect(json(path, 'config.json').num_hidden_layers).toBe(network.blocks.length)
    expect(artifacts.length).toBeGreaterThan(5)
    expect(relativeError(only(await variantOutputs(network, artifacts, feeds)), only(outputs))).toBeLessThan(2e-3)
  })
})

test('a family that tells blocks apart by number is refused as a folder and as GGUF, not as ONNX', () => {
  const { network, close } = (allCases.find(({ name }) => name === 'swin_classes') ?? fail('no case')).open()
  const left = removeBlocks.apply(network, { blocks: [0] }, { seed: 0, measured: null })
  expect(exporterNamed('safetensors-float').refuses(network)).toBeNull()
  expect(exporterNamed('safetensors-float').refuses(left)).toContain('tells blocks apart')
  expect(() => exporterNamed('safetensors-float').planBytes(left)).toThrow('tells blocks apart')
  expect(exporterNamed('onnx').refuses(left)).toBeNull()
  close()
})
