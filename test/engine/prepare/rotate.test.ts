import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { readFloat32 } from '../../../src-main/engine/checkpoint/weights.ts'
import { wiringOf } from '../../../src-main/engine/prepare/linears.ts'
import { Rewriting } from '../../../src-main/engine/prepare/rewriting.ts'
import { runnable } from '../../../src-main/engine/prepare/seamed.ts'
import { findStream } from '../../../src-main/engine/prepare/stream.ts'
import { axisOf } from '../../../src-main/engine/prepare/tensors.ts'
import { intToken } from '../../../src-main/engine/activate/int-token.ts'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import { prepareNetwork } from '../../../src-main/engine/prepare/apply.ts'
import { orthogonalOf } from '../../../src-main/engine/prepare/orthogonal.ts'
import { rotate } from '../../../src-main/engine/prepare/rotate.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { converted } from '../export/folders-of.ts'
import { allCases } from './cases.ts'
import { distance, type Feeds, feedsFor, outputsOf, relativeError } from './compare.ts'

const seed = 11
const given = { seed, measured: null }
const parameters = { stream: true, heads: true, block: 0 }
const use = { method: 'rotate', parameters, seed, file: null }
const open: Network[] = []
const opened = (path: string): Network => {
  const network = openNetwork(path)
  open.push(network)
  return network
}
afterAll(() => {
  for (const network of open) network.source.close()
})

describe(`orthogonal matrices (seed ${seed})`, () => {
  test.each([
    [96, true],
    [96, false],
    [2 * 97, true], // blocks of 2
    [256, true],
    [576, false],
  ])('of width %i, mean kept: %s', (width, mean) => {
    const by = orthogonalOf(width, seed, mean)
    const unit = new Float32Array(width * width)
    for (let i = 0; i < width; i++) unit[i * width + i] = 1
    by.apply(unit, 1) // row i is column i of Q
    let worst = 0
    for (let i = 0; i < width; i++) {
      let sum = 0
      for (let k = 0; k < width; k++) sum += unit[i * width + k] as number
      if (mean) worst = Math.max(worst, Math.abs(sum - 1))
      for (let j = 0; j <= i; j++) {
        let dot = 0
        for (let k = 0; k < width; k++) dot += (unit[i * width + k] as number) * (unit[j * width + k] as number)
        worst = Math.max(worst, Math.abs(dot - (i === j ? 1 : 0)))
      }
    }
    expect(worst).toBeLessThan(2e-6)
  })
})

describe('leaves the function of every family as it is, or says why it does not fit', () => {
  const refused = /^(gemma|opt_after|bert|distilbert|roberta|xlm|clip|llava|swin_features|vit_features)/
  test.each(allCases.map((each) => [each.name, each] as const))('%s', async (name, each) => {
    const { network, feeds, close } = each.open()
    try {
      const reason = rotate.refuses(network, parameters)
      if (refused.test(name)) {
        expect(reason).toMatch(/hidden state|normalisation/)
        expect(() => rotate.apply(network, parameters, given)).toThrow(/does not fit/)
        // Heads can be turned where the hidden state cannot.
        const heads = rotate.apply(network, { ...parameters, stream: false }, given)
        const used = Object.entries(feeds).filter(([input]) => network.graph?.inputs.some((i) => i.name === input))
        expect(await distance(network, heads, Object.fromEntries(used))).toBeLessThan(1e-5)
        return
      }
      expect(reason).toBeNull()
      const rotated = rotate.apply(network, parameters, given)
      const used: Feeds = Object.fromEntries(
        Object.entries(feeds).filter(([input]) => network.graph?.inputs.some((each) => each.name === input)),
      )
      expect(await distance(network, rotated, used)).toBeLessThan(1e-5)
      // Every matrix that touches the hidden state is another one.
      const matrix = network.layers.findLast(({ role }) => role === 'down')
      if (matrix)
        expect(relativeError(readFloat32(network, matrix.name), readFloat32(rotated, matrix.name))).toBeGreaterThan(0.1)
    } finally {
      close()
    }
  })
})

describe.skipIf(!hasData)('a model with channels that stand out, as large ones have them', () => {
  // stories260K with three channels of its hidden state ten times as large; it is too small to grow such ones itself.
  test('rotation flattens the weights that write them', () => {
    const plain = runnable(opened(dataPath('stories260K')))
    const rewriting = new Rewriting(plain)
    const s = new Float32Array(64).fill(1)
    for (const channel of [3, 17, 40]) s[channel] = 10
    for (const { tensor, axis } of findStream(wiringOf(plain.graph)).writers)
      rewriting.step(tensor, { kind: 'scale', axis: axisOf(rewriting.shape(tensor), axis), factors: () => s })
    const network = rewriting.finish()
    const rotated = rotate.apply(network, parameters, given)
    const peak = (of: Network) => {
      const matrices = of.layers.filter(({ role }) => role === 'down' || role === 'o')
      return matrices.reduce((sum, { name }) => {
        const weights = readFloat32(of, name)
        return sum + (Math.max(...weights.map(Math.abs)) / Math.hypot(...weights)) * Math.sqrt(weights.length)
      }, 0)
    }
    expect(peak(rotated)).toBeLessThan(peak(network) * 0.6)
  })
})

describe.skipIf(!hasData)('real models', () => {
  test('ViT: activations rounded behind a rotation lose less', async () => {
    const network = opened(dataPath('vit-cifar10/vit_tiny_cifar10.onnx'))
    const dataset = await openDataset({ path: dataPath('vit-cifar10/data.yaml'), split: 'auto' }, network)
    const rotated = rotate.apply(network, parameters, given)
    const rounded = (of: Network, bits: number) => intToken.apply(of, intToken.params.parse({ bits }), given)
    for await (const { feeds } of dataset.evaluate.batches({ batchSize: 32, limit: 32 }))
      for (const bits of [4, 8]) {
        const before = await distance(network, rounded(network, bits), feeds)
        expect(await distance(network, rounded(rotated, bits), feeds), `${bits} bits`).toBeLessThan(before)
      }
  })

  test('values are turned within their heads, where asked', () => {
    const network = opened(dataPath('novels-5m'))
    const value = 'model.layers.3.self_attn.v_proj.weight'
    const [both, stream] = [true, false].map((heads) =>
      readFloat32(rotate.apply(network, { ...parameters, heads }, given), value),
    )
    // The rows of each head span the same space: the same sums of squares over it, column by column.
    const [size, width] = [32, 256]
    expect(relativeError(both ?? [], stream ?? [])).toBeGreaterThan(0.5)
    for (let column = 0; column < width; column += 37) {
      const energy = (matrix: Float32Array | undefined) =>
        Array.from({ length: size }, (_, row) => (matrix?.[row * width + column] ?? 0) ** 2).reduce((a, b) => a + b)
      expect(energy(both) / energy(stream)).toBeCloseTo(1, 5)
    }
  })

  test.each(['stories260K', 'novels-5m', 'vit-cifar10/vit_tiny_cifar10.onnx'])('%s: same logits', async (path) => {
    const network = opened(dataPath(path))
    const feeds = feedsFor(network, path.endsWith('.onnx') ? 32 : 40, seed)
    for (const [name, { dims }] of Object.entries(feeds)) if (name !== 'input_ids') dims[1] = 3
    for (const value of Object.values(feeds))
      value.data = value.data.slice(
        0,
        value.dims.reduce((product, size) => product * size, 1),
      )
    expect(await distance(network, prepareNetwork(network, [use]), feeds)).toBeLessThan(1e-5)
  })

  test('a tied head becomes its own, in both graphs, the layers and the configuration', async () => {
    const network = opened(dataPath('stories260K'))
    const rotated = prepareNetwork(network, [use])
    expect(rotated.head?.weight).toBe('lm_head.weight')
    expect(rotated.config?.get('tie_word_embeddings')).toBe(false)
    expect(network.config?.get('tie_word_embeddings')).toBe(true)
    expect(rotated.layers.filter(({ role }) => role === 'head').map(({ name, bytes }) => [name, bytes])).toEqual([
      ['lm_head.weight', 512 * 64 * 4],
    ])
    expect(rotated.fingerprint).not.toBe(network.fingerprint)
    const feeds = feedsFor(network, 12, seed)
    const cached = rotated.cached?.()
    if (!cached) throw new Error('no graph with a cache')
    const ids = feeds['input_ids']
    if (!ids) throw new Error('no tokens')
    const [rows = 0, time = 0] = ids.dims
    const positions = BigInt64Array.from({ length: rows * time }, (_, i) => BigInt(i % time))
    const empty = cached.inputs
      .filter(({ name }) => name.startsWith('past'))
      .map(({ name }) => [name, { dtype: 'float32', dims: [rows, 4, 0, 8], data: new Float32Array(0) }] as const)
    const all: Feeds = {
      input_ids: ids,
      attention_mask: { ...ids, data: new BigInt64Array(rows * time).fill(1n) },
      position_ids: { ...ids, data: positions },
      ...Object.fromEntries(empty),
    }
    const whole = (await outputsOf(network, feeds))['logits']
    const behind = (await outputsOf(rotated, all, cached))['logits']
    expect(relativeError(whole?.data as Float32Array, behind?.data as Float32Array)).toBeLessThan(1e-5)
  })

  test('in blocks, if that is asked', async () => {
    const network = opened(dataPath('stories260K'))
    const blocks = rotate.apply(network, { ...parameters, block: 16 }, given)
    expect(await distance(network, blocks, feedsFor(network, 20, seed))).toBeLessThan(1e-5)
    // Each block of 16 channels of an embedding keeps its length.
    const [before, after] = [network, blocks].map((each) => readFloat32(each, 'model.embed_tokens.weight'))
    const length = (x: Float32Array | undefined, block: number) =>
      Math.hypot(...(x?.subarray(block * 16, block * 16 + 16) ?? []))
    for (let block = 0; block < 40; block++) expect(length(after, block)).toBeCloseTo(length(before, block), 5)
    expect(relativeError(before ?? [], after ?? [])).toBeGreaterThan(0.5)
  })

  test('parts of a tensor are the parts of the whole', () => {
    const rotated = rotate.apply(opened(dataPath('stories260K')), parameters, given)
    for (const name of ['model.layers.2.mlp.down_proj.weight', 'model.layers.2.mlp.up_proj.weight', 'lm_head.weight']) {
      const whole = readFloat32(rotated, name)
      for (const [begin, end] of [
        [0, 5],
        [63, 65],
        [1000, 1500],
        [whole.length - 3, whole.length],
      ] as const)
        expect(readFloat32(rotated, name, { begin, end })).toEqual(whole.slice(begin, end))
    }
  })

  test('the same after it was exported and opened again', async () => {
    const network = opened(dataPath('stories260K'))
    const rotated = prepareNetwork(network, [use])
    const feeds = feedsFor(network, 32, seed)
    for (const [id, file] of [
      ['gguf', 'model.gguf'],
      ['safetensors-float', ''],
    ] as const) {
      const { path } = await converted(rotated, id)
      expect(await distance(network, opened(join(path, file)), feeds), id).toBeLessThan(1e-5)
    }
  })
})
