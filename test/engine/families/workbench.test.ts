// What the bench does with a checkpoint, end to end, on encoders and vision networks: data, evaluation, sensitivity of every
// layer, compression, export to ONNX, and the exported file opened and judged again.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { readFloat32 } from '../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import type { Batch, DataPart, Dataset } from '../../../src-main/engine/data/types.ts'
import { clearOutputCache } from '../../../src-main/engine/evaluate/cache.ts'
import { evaluateNetwork } from '../../../src-main/engine/evaluate/evaluate.ts'
import { onnx } from '../../../src-main/engine/export/onnx/onnx.ts'
import { optionsFor } from '../../../src-main/engine/quantize/options.ts'
import { measureSensitivity } from '../../../src-main/engine/score/sensitivity.ts'
import { overridesOf } from '../../../src-main/engine/tasks/evaluate.ts'
import { compress } from '../export/compress.ts'
import { npyBytes } from '../data/fixtures.ts'
import { quiet, temporaryFolder } from '../score/network.ts'
import { networkCases, openCase, writeCase } from './golden-case.ts'
import { writeWordPiece } from './wordpiece.ts'

beforeEach(clearOutputCache)

const cases = new Map([...networkCases('encoder'), ...networkCases('vision')].map((golden) => [golden.name, golden]))
const folderOf = (name: string, config: Record<string, unknown> = {}): string => {
  const golden = cases.get(name)
  if (!golden) throw new Error(`no case ${name}`)
  const folder = writeCase(golden, config)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function batchesOf(part: DataPart, batchSize = 4): Promise<Batch[]> {
  const batches: Batch[] = []
  for await (const batch of part.batches({ batchSize })) batches.push(batch)
  return batches
}

/** Text of the letters the tokenizer knows: windows of 14 tokens, the last shorter. */
function writeText(folder: string): string {
  const words = Array.from({ length: 100 }, (_, index) => 'abcdefghijklmnopqrstuvwxyz'.charAt((index * index + 3) % 26))
  writeFileSync(join(folder, 'text.txt'), words.join(' '))
  const path = join(folder, 'data.yaml')
  writeFileSync(path, 'kind: text\ntext: text.txt\ncontext: 16\nsplit: { calibrate: 3 }')
  return path
}

function writeNoise(folder: string, more = ''): string {
  const path = join(folder, 'noise.yaml')
  writeFileSync(path, `kind: noise\nsamples: 6\nsplit: { calibrate: 3 }\n${more}`)
  return path
}

function writeImages(folder: string, side: number): string {
  const pixels = Uint8Array.from({ length: 20 * side * side * 3 }, (_, index) => (index * 7919 + (index >> 5)) % 256)
  writeFileSync(join(folder, 'images.npy'), npyBytes('|u1', [20, side, side, 3], pixels))
  const labels = BigInt64Array.from({ length: 20 }, (_, index) => BigInt(index % 5))
  writeFileSync(join(folder, 'labels.npy'), npyBytes('<i8', [20], labels))
  const path = join(folder, 'images.yaml')
  writeFileSync(path, 'kind: image-classification\nimages: images.npy\nlabels: labels.npy\nsplit: { calibrate: 8 }')
  return path
}

const own = (network: Network) => new Map(network.layers.map((layer) => [layer.name, readFloat32(network, layer.name)]))

/** Loss of every option of every layer: fewer bits are worse. */
async function sensitivities(network: Network, dataset: Dataset): Promise<string[]> {
  const options = new Map(network.layers.map((layer) => [layer.name, optionsFor(layer)]))
  const measured: string[] = []
  for (const block of [-1, ...network.blocks.map(({ index }) => index)]) {
    const layers = new Map([...options].map(([name, own]) => [name, { options: own }]))
    const common = { network, dataset, block, samples: 3, device: 'cpu' } as const
    const args = { ...common, layers, every: true, importance: null }
    for (const { name, losses } of (await measureSensitivity(args, quiet)).layers) {
      const bits = (count: number) => options.get(name)?.find((option) => option.bits === count)?.id
      const loss = (count: number) => losses.find(({ option }) => option === bits(count))?.loss ?? Number.NaN
      expect(loss(2), name).toBeGreaterThan(loss(8))
      expect(loss(8), name).toBeGreaterThanOrEqual(0)
      measured.push(name)
    }
  }
  return measured.sort()
}

async function bench(network: Network, data: string, metric: 'klDivergence' | 'sqnrDb', perfect: number) {
  const dataset = await openDataset({ path: data, split: 'auto' }, network)
  const judge = async (candidate: Network, overrides: ReadonlyMap<string, Float32Array> | null) => {
    const others = candidate === network ? {} : { against: network }
    const args = { network: candidate, dataset, part: 'evaluate', overrides, device: 'cpu', ...others } as const
    return (await evaluateNetwork(args, quiet)).metrics
  }
  expect((await judge(network, own(network)))[metric]?.value).toBe(perfect)

  const compressible = network.layers.filter((layer) => layer.compressible).map(({ name }) => name)
  expect(await sensitivities(network, dataset)).toEqual(compressible.sort())

  const plan = onnx.planBytes(network)
  const folder = temporaryFolder()
  const { artifacts, plannedBytes } = compress(
    network,
    plan,
    join(folder, 'artifacts'),
    (layer) => [3, 4, 8][layer % 3] ?? 4,
  )
  expect(artifacts.length).toBe(compressible.length)
  const args = { network, artifacts, path: join(folder, 'out.onnx'), dataset, overwrite: false, plannedBytes }
  const { verified, files } = await onnx.write(args, quiet)
  for (const { name } of network.graph?.outputs ?? [])
    expect(verified.some((line) => line.includes(`Output "${name}" equals the variant's`))).toBe(true)

  const variant = (await judge(network, overridesOf(network, artifacts)))[metric]?.value ?? Number.NaN
  expect(variant).not.toBe(perfect)
  const exported = openNetwork(files[0]?.path ?? '')
  try {
    expect(exported.task).toBe(network.task)
    const found = (await judge(exported, null))[metric]?.value ?? Number.NaN
    expect(Math.abs(found / variant - 1)).toBeLessThan(1e-3)
  } finally {
    exported.source.close()
    network.source.close()
  }
  return dataset
}

test('a masked language model: hidden words of framed text are predicted', async () => {
  const folder = folderOf('bert_masked')
  writeWordPiece(folder)
  const network = openCase(folder)
  const dataset = await bench(network, writeText(folder), 'klDivergence', 0)
  const [batch] = await batchesOf(dataset.calibrate)
  const { input_ids: ids, attention_mask: mask, token_type_ids: types } = batch?.feeds ?? {}
  const [rows = 0, time = 0] = ids?.dims ?? []
  expect([rows, time]).toEqual([3, 16])
  const row = Array.from({ length: time }, (_, at) => Number(ids?.data[at]))
  expect([row[0], row.at(-1)]).toEqual([2, 3]) // [CLS] ... [SEP]
  const hidden = row.flatMap((token, at) => (token === 4 ? [at] : []))
  expect(hidden).toHaveLength(2) // 15 % of 14
  const targets = Array.from(batch?.targets?.subarray(0, time) ?? [])
  expect(targets.flatMap((target, at) => (target === -1 ? [] : [at]))).toEqual(hidden)
  for (const at of hidden) expect(targets[at]).toBeGreaterThan(4)
  expect(types?.data.every((value: number | bigint) => Number(value) === 0)).toBe(true)
  // The last window is short: its rest is padding that nobody sees.
  const all = [...(await batchesOf(dataset.calibrate)), ...(await batchesOf(dataset.evaluate))]
  const short = all.flatMap(({ feeds }) => Array.from(feeds.attention_mask?.data ?? [], Number)).filter((x) => x === 0)
  expect(short.length).toBeGreaterThan(0)
  expect(mask?.dims).toEqual([3, 16])
})

test('a text classifier', async () => {
  const folder = folderOf('bert_classes')
  writeWordPiece(folder)
  await bench(openCase(folder), writeText(folder), 'klDivergence', 0)
})

test('a sentence embedding is judged by its own output', async () => {
  const folder = folderOf('bert_sentence_dense')
  writeWordPiece(folder)
  const dataset = await bench(openCase(folder), writeText(folder), 'sqnrDb', 300)
  expect((await batchesOf(dataset.calibrate))[0]?.targets).toBeNull()
})

test.each(['distilbert_features', 'roberta_masked', 'vit_features', 'swin_classes', 'clip_end', 'llava_old'])(
  '%s on seeded noise',
  async (name) => {
    const folder = folderOf(name)
    const network = openCase(folder)
    const rows = ['masked-lm', 'image-classification', 'image-text-to-text'].includes(network.task)
    const dims = name.startsWith('vit') ? '' : 'dims: { time: 12 }'
    await bench(network, writeNoise(folder, dims), rows ? 'klDivergence' : 'sqnrDb', rows ? 0 : 300)
  },
)

test('noise of token inputs needs no description: valid numbers, and as many image tokens as features', async () => {
  const folder = folderOf('llava_old')
  const network = openCase(folder)
  const dataset = await openDataset({ path: writeNoise(folder), split: 'auto' }, network)
  network.source.close()
  for (const { feeds } of await batchesOf(dataset.evaluate)) {
    const ids = Array.from(feeds.input_ids?.data ?? [], Number)
    expect(feeds.input_ids?.dims).toEqual([1, 36])
    expect(ids.slice(0, 4)).toEqual([36, 36, 36, 36])
    expect(ids.slice(4).every((id) => id >= 0 && id < 40 && id !== 36)).toBe(true)
  }
})

test('an image classifier takes images as its preprocessor_config.json says', async () => {
  const folder = folderOf('vit_classes')
  writeFileSync(
    join(folder, 'preprocessor_config.json'),
    JSON.stringify({
      image_processor_type: 'ViTImageProcessor',
      do_resize: true,
      size: { height: 16, width: 16 },
      resample: 2,
      do_normalize: true,
      image_mean: [0.5, 0.4, 0.3],
      image_std: [0.5, 0.25, 0.2],
    }),
  )
  const network = openCase(folder)
  expect(network.notices).toEqual([])
  expect(network.card).toMatchObject({ 'image size': 'square 16', 'image mean': '127.5 102 76.5' })
  const dataset = await bench(network, writeImages(folder, 20), 'klDivergence', 0)
  expect(dataset.details.preprocessing).toBe(
    'resize to 16 (bilinear, antialiased), RGB, (x - 127.5 102 76.5) / 127.5 63.75 51',
  )
  const [batch] = await batchesOf(dataset.calibrate)
  expect(batch?.feeds.pixel_values?.dims).toEqual([4, 3, 16, 16])
  const values = Array.from(batch?.feeds.pixel_values?.data ?? [], Number)
  expect(Math.max(...values.slice(0, 256))).toBeLessThanOrEqual(1)
})
