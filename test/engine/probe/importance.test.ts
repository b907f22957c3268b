import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import type { Dataset } from '../../../src-main/engine/data/types.ts'
import { collect } from '../../../src-main/engine/probe/collect.ts'
import { readImportance } from '../../../src-main/engine/probe/importance.ts'
import { measureImportance } from '../../../src-main/engine/probe/importance/measure.ts'
import { entriesOf } from '../../../src-main/engine/probe/importance/names.ts'
import { readImatrix } from '../../../src-main/engine/probe/importance/read.ts'
import { encodeImatrix } from '../../../src-main/engine/probe/importance/write.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { familyCases, writeGoldenFolder } from '../families/golden.ts'
import { openPath, whole } from '../families/run.ts'
import { imageData, residualNetwork } from '../score/network.ts'

const quiet = { progress: () => undefined, notify: () => undefined }

function temporary(name: string, bytes: Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-imatrix-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

/** Mean square of each channel of a graph value, from the activations themselves. */
async function plain(network: Network, dataset: Dataset, value: string, samples: number): Promise<number[]> {
  const sums: number[] = []
  let rows = 0
  const pass = { network, part: dataset.calibrate, values: [value], device: 'cpu' as const, samples, batchSize: 4 }
  await collect(
    pass,
    (outputs) => {
      const { dims, data } = outputs[value] as { dims: number[]; data: Float32Array }
      const isImage = dims.length === 4
      const channels = (isImage ? dims[1] : dims.at(-1)) as number
      const places = isImage ? (dims[2] as number) * (dims[3] as number) : 1
      data.forEach((x, i) => {
        const channel = Math.floor(i / places) % channels
        sums[channel] = (sums[channel] ?? 0) + x * x
      })
      rows += data.length / channels
    },
    quiet,
  )
  return sums.map((sum) => sum / rows)
}

const source = { dataset: 'calib.txt', chunks: 8, chunkSize: 256 }

test('convolutions and the head: mean squares of what enters them, spread over the kernel', async () => {
  const network = residualNetwork()
  const dataset = imageData(12)
  const { layers, samples } = await measureImportance({ network, dataset, samples: 8, device: 'cpu' }, quiet)
  expect(samples).toBe(8)
  const expected = await plain(network, dataset, 'stem.out', 8)
  const found = layers.find(({ layer }) => layer === 'blocks.0.conv1.weight')
  expect(found?.sums.length).toBe(32 * 9)
  found?.sums.forEach((sum, column) =>
    expect(sum / found.count / (expected[Math.floor(column / 9)] as number)).toBeCloseTo(1, 4),
  )
  const compressible = network.layers.filter((layer) => layer.compressible).map(({ name }) => name)
  expect(layers.map(({ layer }) => layer).sort()).toEqual(compressible.sort())
  const file = temporary('x.imatrix.gguf', encodeImatrix(entriesOf(network), layers, source))
  const read = readImportance(file, network)
  const [sum = 0] = found?.sums ?? []
  expect(read('blocks.0.conv1.weight')?.[0]).toBeCloseTo(sum / (found?.count ?? 1), 4)
})

test.skipIf(!hasData)('a language model: the products of each block, under the names llama.cpp uses', async () => {
  const network = openNetwork(dataPath('stories260K'))
  onTestFinished(() => network.source.close())
  const dataset = await openDataset({ path: dataPath('stories260K'), split: 'auto' }, network)
  const { layers } = await measureImportance({ network, dataset, samples: 8, device: 'cpu' }, quiet)
  const expected = await plain(network, dataset, 'model.layers.2.mlp.input', 8)
  const up = layers.find(({ layer }) => layer === 'model.layers.2.mlp.up_proj.weight')
  expected.forEach((value, column) => expect((up?.sums[column] as number) / (up?.count ?? 0) / value).toBeCloseTo(1, 4))
  const bytes = encodeImatrix(entriesOf(network), layers, source)
  expect(encodeImatrix(entriesOf(network), layers, source)).toEqual(bytes)
  const { entries } = readImatrix(temporary('m.gguf', bytes))
  expect(entries.map(({ name }) => name)).toContain('blk.2.ffn_up.weight')
  // Written by another program: names alone tell.
  const older = temporary('old.dat', olderForm(entries.map(({ name, values }) => ({ name, values, calls: 3 }))))
  const read = readImportance(older, network)
  read('model.layers.2.mlp.up_proj.weight')?.forEach((value, column) =>
    expect(value / (expected[column] as number)).toBeCloseTo(1, 4),
  )
})

test('experts count the tokens that chose them; of one that none chose nothing is known', async () => {
  const golden = familyCases.find(({ name }) => name === 'qwen3_moe')
  if (!golden) throw new Error('no case')
  const folder = writeGoldenFolder(golden)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const network = openPath(folder)
  onTestFinished(() => network.source.close())
  const one = { size: 1, feeds: { input_ids: whole([[7]]) }, targets: null }
  const calibrate = {
    ...{ samples: 1, ids: () => ['one'] },
    async *batches() {
      yield await Promise.resolve(one)
    },
  }
  const dataset: Dataset = { ...imageData(1), calibrate }
  const { layers } = await measureImportance({ network, dataset, samples: 1, device: 'cpu' }, quiet)
  const counts = (part: string) => layers.filter(({ layer }) => layer.endsWith(part)).map(({ count }) => count)
  expect(counts('gate_proj.weight').sort()).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 1, 1]) // 3 of 5 in each of 2 blocks
  const file = temporary('x.imatrix.gguf', encodeImatrix(entriesOf(network), layers, source))
  const read = readImportance(file, network)
  for (const { layer, count } of layers.filter(({ layer }) => layer.includes('.experts.')))
    expect(read(layer)?.every((value) => value === 1)).toBe(count === 0)
})

/** The older form, values summed over calls. */
function olderForm(entries: readonly { name: string; values: Float32Array; calls: number }[]): Buffer {
  const number = (value: number) => {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32LE(value)
    return bytes
  }
  const parts = entries.flatMap(({ name, values, calls }) => [
    ...[number(Buffer.byteLength(name)), Buffer.from(name), number(calls), number(values.length)],
    Buffer.from(values.map((value) => value * calls).buffer),
  ])
  return Buffer.concat([number(entries.length), ...parts, number(4), number(5), Buffer.from('a.txt')])
}

test('damaged files are refused with the place', () => {
  const network = residualNetwork()
  const good = olderForm([{ name: 'stem.weight', values: new Float32Array(27).fill(1), calls: 1 }])
  expect(readImportance(temporary('good.dat', good), network)('stem.weight')?.[3]).toBe(1)
  const refuse = (bytes: Uint8Array) => expect(() => readImportance(temporary('bad.dat', bytes), network))
  refuse(good.subarray(0, 40)).toThrow(/cut off|ends within/)
  refuse(Buffer.from([255, 255, 255, 255, 1, 2, 3])).toThrow(/number of entries is -1/)
  refuse(new Uint8Array(0)).toThrow(/ends within the number of entries/)
  refuse(olderForm([{ name: 'stem.weight', values: new Float32Array(27).fill(-1), calls: 1 }])).toThrow(
    /value 0 .* is -1/,
  )
  refuse(olderForm([{ name: 'stem.weight', values: new Float32Array(5).fill(1), calls: 1 }])).toThrow(/5 columns/)
  refuse(olderForm([{ name: 'other', values: new Float32Array(5).fill(1), calls: 1 }])).toThrow(/none of its 1 entries/)
})
