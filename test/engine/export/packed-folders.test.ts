// Folders for vLLM and transformers, of real language models: sizes as planned, settings that say what is there, the same
// numbers for a reader of our own and for a plain one, and the same evaluation as the variant they stand for.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { readMatrix } from '../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { clearOutputCache } from '../../../src-main/engine/evaluate/cache.ts'
import { evaluateNetwork } from '../../../src-main/engine/evaluate/evaluate.ts'
import { dequantize } from '../../../src-main/engine/quantize/dequantize.ts'
import { applyPlain, rtnOption } from '../../../src-main/engine/quantize/options.ts'
import type { Option } from '../../../src-preload/contract/plan.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { awqWeights, gptqWeights, packedWeights } from '../packed/plain.ts'
import { quiet, temporaryFolder } from '../score/network.ts'
import { asHalves, asInts, converted, exporterNamed, json, plainTensors } from './folders-of.ts'

beforeEach(clearOutputCache)

/** KL divergence between two folders, both run by Lathe. */
async function divergence(model: string, path: string, against: string): Promise<number> {
  const [network, other] = [openNetwork(path), openNetwork(against)]
  try {
    const dataset = await openDataset({ path: dataPath(model, 'data.yaml'), split: 'auto' }, network)
    const args = { network, dataset, part: 'evaluate' as const, overrides: null, device: 'cpu' as const }
    const { metrics } = await evaluateNetwork({ ...args, against: other, limit: 2 }, quiet)
    return metrics.klDivergence?.value ?? NaN
  } finally {
    network.source.close()
    other.source.close()
  }
}

/** A layer of the folder by the plain readers. */
function plainly(
  id: string,
  tensors: ReturnType<typeof plainTensors>,
  module: string,
  { rows, cols }: { rows: number; cols: number },
  { bits, parameters: { groupSize } }: Option,
): Float32Array {
  const bytes = (end: string) => tensors.get(`${module}.${end}`)?.bytes ?? new Uint8Array(0)
  const size = typeof groupSize === 'number' ? groupSize : cols
  const shape = { rows, cols, bits, groups: cols / size, size }
  if (id === 'compressed-tensors')
    return packedWeights(asInts(bytes('weight_packed')), null, asHalves(bytes('weight_scale')), shape)
  const scales = asHalves(bytes('scales'))
  const common = { qweight: asInts(bytes('qweight')), qzeros: asInts(bytes('qzeros')), scales }
  if (id === 'awq') return awqWeights(common, shape)
  return gptqWeights({ ...common, g_idx: asInts(bytes('g_idx')) }, shape, 1)
}

const same = (a: Float32Array, b: Float32Array): boolean =>
  Buffer.compare(
    new Uint8Array(a.buffer, a.byteOffset, a.byteLength),
    new Uint8Array(b.buffer, b.byteOffset, b.byteLength),
  ) === 0

const folderBytes = (path: string, files: readonly { path: string }[]) =>
  files.reduce((sum, file) => sum + statSync(join(path, file.path.slice(path.length))).size, 0)

describe.skipIf(!hasData)('a plain conversion', () => {
  for (const model of ['stories260K', 'novels-5m'])
    for (const id of ['compressed-tensors', 'gptq', 'awq'])
      test(`${model} as ${id}: as large as planned, and read alike by us, plainly, and when run`, async () => {
        const network = openNetwork(dataPath(model))
        const { path, result, plannedBytes, options } = await converted(network, id)
        expect(folderBytes(path, result.files)).toBe(plannedBytes)
        expect(result.verified[0]).toContain('bit for bit')
        for (const name of ['config.json', 'tokenizer.json', 'README.md', 'model.lathe.json'])
          expect(existsSync(join(path, name)), name).toBe(true)

        const reopened = openNetwork(path)
        expect(reopened).toMatchObject({ family: 'llama', task: 'causal-lm', notices: [] })
        expect(reopened.blocks).toHaveLength(network.blocks.length)
        const tensors = plainTensors(join(path, 'model.safetensors'))
        expect(options.size).toBeGreaterThan(19)
        for (const [name, option] of options) {
          const layer = network.layers.find((each) => each.name === name)
          if (!layer) throw new Error(name)
          const meant = dequantize(applyPlain(readMatrix(network, layer), option, { layer: name })).data
          // Bit by bit takes its time: one block of the larger model tells as much as eight.
          if (model === 'novels-5m' && layer.block !== 3) continue
          const plain = plainly(id, tensors, name.slice(0, -'.weight'.length), layer, option)
          expect(same(plain, meant), name).toBe(true)
          const ours = readMatrix(reopened, reopened.layers.find((each) => each.name === name) ?? layer)
          expect(same(ours.data, meant), name).toBe(true)
        }
        for (const { name, dtype } of [...tensors].map(([key, tensor]) => ({ name: key, ...tensor })))
          if (name.includes('norm') || name.includes('embed') || name === 'lm_head.weight')
            expect(dtype, name).toBe('F16')

        const float = await converted(network, 'safetensors-float', { dtype: 'float32' }, { options })
        expect(await divergence(model, path, float.path)).toBeLessThan(1e-6)
        if (id === 'gptq') expect(await divergence(model, path, dataPath(model))).toBeGreaterThan(1e-3)
      }, 60_000)
})

/** Options of every linear layer by its place in the network. */
function recipe(network: Network, choose: (index: number, cols: number) => Option | null): Map<string, Option> {
  const layers = network.layers.filter(({ block, compressible }) => compressible && block !== null)
  return new Map(
    layers.flatMap(({ name, cols }, i) => {
      const option = choose(i, cols)
      return option ? [[name, option] as const] : []
    }),
  )
}

describe.skipIf(!hasData)('a mixed recipe', () => {
  test('compressed-tensors: a group for each scheme, by module; kept layers are ignored; what vLLM joins is told', async () => {
    const network = openNetwork(dataPath('novels-5m'))
    const options = recipe(
      network,
      (i) => [rtnOption(4, 128), rtnOption(8, 64), null, rtnOption(4, null, false)][i % 4] ?? null,
    )
    const { path, result, plannedBytes } = await converted(network, 'compressed-tensors', {}, { options })
    expect(folderBytes(path, result.files)).toBe(plannedBytes)
    const config = json(path, 'config.json')
    const { config_groups, ignore, format } = config.quantization_config as {
      config_groups: Record<string, { targets: string[]; weights: Record<string, unknown> }>
      ignore: string[]
      format: string
    }
    expect(format).toBe('pack-quantized')
    const groups = Object.values(config_groups)
    expect(
      groups.map(({ weights }) => [weights.num_bits, weights.strategy, weights.group_size, weights.symmetric]),
    ).toEqual([
      [4, 'group', 128, true],
      [8, 'group', 64, true],
      [4, 'channel', null, false],
    ])
    expect(
      groups
        .flatMap(({ targets }) => targets)
        .map((module) => `${module}.weight`)
        .sort(),
    ).toEqual([...options.keys()].sort())
    const kept = network.layers.filter(
      ({ role, name, compressible }) => compressible && !options.has(name) && role !== 'embed',
    )
    expect(ignore.map((module) => `${module}.weight`).sort()).toEqual(kept.map(({ name }) => name).sort())
    expect(result.verified.join(' ')).toContain('vLLM does not load this folder')
    const card = readFileSync(join(path, 'README.md'), 'utf8')
    expect(card).toContain('vLLM does not load this folder')
    expect(card).not.toContain('vllm serve')
  })

  test('GPTQ: each module finds its own settings by the patterns, and so do joined layers', async () => {
    const network = openNetwork(dataPath('novels-5m'))
    const options = recipe(network, (i) => [rtnOption(4, 128), rtnOption(8, 32), null][Math.floor(i / 7) % 3] ?? null)
    const { path, result, plannedBytes } = await converted(network, 'gptq', {}, { options })
    expect(folderBytes(path, result.files)).toBe(plannedBytes)
    const settings = (json(path, 'config.json') as { quantization_config: Record<string, unknown> }).quantization_config
    expect(json(path, 'quantize_config.json')).toEqual(settings)
    expect(settings).toMatchObject({ quant_method: 'gptq', desc_act: false, checkpoint_format: 'gptq', lm_head: false })
    const dynamic = Object.entries(settings.dynamic as Record<string, Record<string, unknown>>)
    // As vLLM looks a module up: the first pattern that matches from the start decides.
    const found = (module: string) => {
      for (const [pattern, own] of dynamic)
        if (new RegExp(`^(?:${pattern.slice(2)})`).test(module))
          return pattern.startsWith('-:') ? null : { ...settings, ...own }
      return settings
    }
    for (const { name, block, compressible } of network.layers) {
      if (!compressible || block === null) continue
      const [module, option] = [name.slice(0, -'.weight'.length), options.get(name)]
      if (!option) expect(found(module), name).toBeNull()
      else expect(found(module)).toMatchObject({ bits: option.bits, group_size: option.parameters.groupSize })
    }
    expect(found('model.layers.1.self_attn.qkv_proj')).toMatchObject({ bits: 8, group_size: 32 })
    expect(found('model.layers.2.mlp.gate_up_proj')).toBeNull()
    expect(result.verified.join(' ')).not.toContain('does not load')
    const reopened = openNetwork(path)
    expect(reopened.layers.find(({ name }) => name === 'model.layers.1.mlp.up_proj.weight')?.stored?.type).toBe(
      'GPTQ 8-bit g32',
    )
  })

  test('GPTQ with zero points of its own is a v2 file', async () => {
    const network = openNetwork(dataPath('novels-5m'))
    const { path } = await converted(network, 'gptq', { bits: 3, groupSize: 64, symmetric: false })
    expect(json(path, 'config.json').quantization_config).toMatchObject({
      bits: 3,
      group_size: 64,
      sym: false,
      checkpoint_format: 'gptq_v2',
    })
  })

  test.each([
    ['awq', (i: number) => rtnOption(4, i % 2 ? 128 : 64), /groups of/],
    ['awq', () => rtnOption(8, 128), /4 bits only/],
    ['gptq', () => rtnOption(5, 128), /2, 3, 4 and 8 bits/],
    ['gptq', () => rtnOption(4, 48), /do not divide/],
    ['compressed-tensors', () => rtnOption(4, 48), /do not divide/],
  ] as const)('%s refuses what it cannot hold, and leaves nothing', async (id, choose, says) => {
    const network = openNetwork(dataPath('novels-5m'))
    const options = recipe(network, (i) => (i < 4 ? choose(i) : null))
    const path = join(temporaryFolder(), 'new', 'out')
    const args = {
      network,
      artifacts: [],
      options,
      parameters: {},
      path,
      dataset: null,
      overwrite: false,
      plannedBytes: 1,
    }
    await expect(exporterNamed(id).write(args, quiet)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(says) as string,
    })
    expect(existsSync(join(path, '..'))).toBe(false)
  })

  test('an embedding is refused by name', async () => {
    const network = openNetwork(dataPath('novels-5m'))
    const options = new Map([['model.embed_tokens.weight', rtnOption(4, 64)]])
    const args = {
      network,
      artifacts: [],
      options,
      parameters: {},
      path: join(temporaryFolder(), 'o'),
      dataset: null,
      overwrite: false,
      plannedBytes: 1,
    }
    await expect(exporterNamed('gptq').write(args, quiet)).rejects.toMatchObject({
      code: 'unsupported',
      data: { tensor: 'model.embed_tokens.weight' },
    })
  })
})

test.skipIf(!hasData)(
  'packed folders are sources like any other: GPTQ to compressed-tensors to float, and quantized anew',
  async () => {
    const first = await converted(openNetwork(dataPath('stories260K')), 'gptq', { bits: 8, groupSize: 32 })
    const packed = openNetwork(first.path)
    const second = await converted(packed, 'compressed-tensors', { bits: 8, groupSize: 32 })
    const third = await converted(openNetwork(second.path), 'safetensors-float')
    const [gptq, float] = [openNetwork(first.path), openNetwork(third.path)]
    expect(json(third.path, 'config.json')).not.toHaveProperty('quantization_config')
    for (const { name, role, compressible } of gptq.layers) {
      const [one, other] = [gptq, float].map(
        (network) =>
          readMatrix(network, network.layers.find((each) => each.name === name) ?? (undefined as never)).data,
      )
      if (!compressible || role === 'embed') expect(other, name).toEqual(one)
      // Eight bits over eight bits, float16 at the end: within two roundings of 2^-8 and 2^-11 of the largest weight.
      const most = one?.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) ?? NaN
      expect(
        one?.every((value, i) => Math.abs(value - (other?.[i] ?? NaN)) <= most / 120),
        name,
      ).toBe(true)
    }
  },
)

test.skipIf(!hasData)('refused where the format makes no sense, with the reason', () => {
  const onnx = openNetwork(dataPath('cifar10/resnet20.onnx'))
  const lone = openNetwork(dataPath('cifar10/resnet20.safetensors'))
  for (const id of ['compressed-tensors', 'gptq', 'awq']) {
    expect(exporterNamed(id).refuses(onnx)).toContain('ONNX')
    expect(exporterNamed(id).refuses(lone)).toContain('config.json')
  }
})
