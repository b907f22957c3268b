// What Lathe exports opens again: the packed weights are seen, and the network computes the variant.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { encodeModel } from '../../../src-main/engine/checkpoint/onnx/encode.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { onnxFolded } from '../../../src-main/engine/export/onnx/onnx-folded.ts'
import { onnx } from '../../../src-main/engine/export/onnx/onnx.ts'
import type { Graph } from '../../../src-main/engine/graph/ir.ts'
import { dataPath, hasData } from '../../helpers/data.ts'
import { feedsFor, run } from './run.ts'

const quiet = { progress: () => undefined, notify: (notice: string) => expect.unreachable(notice) }

test.skipIf(!hasData).each([
  ['cifar10/resnet20.onnx', 'int4', onnx, 20],
  ['cifar10/resnet20.onnx', 'int3', onnxFolded, 20],
  ['stories260K', 'int3', onnx, 36],
  ['stories260K', 'int4', onnx, 36],
  ['vit-cifar10/vit_tiny_cifar10.onnx', 'int8', onnx, 26],
] as const)('%s in %s', async (model, type, exporter, weights) => {
  const network = openNetwork(dataPath(...model.split('/')))
  const folder = mkdtempSync(join(tmpdir(), 'lathe-own-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'own.onnx')
  const options = exporter.convert?.(network, { type }) ?? new Map()
  await exporter.write(
    { network, artifacts: [], options, path, dataset: null, overwrite: false, plannedBytes: 0 },
    quiet,
  )
  const own = openNetwork(path)
  onTestFinished(() => [network, own].forEach(({ source }) => source.close()))
  const packed = own.layers.filter(({ compressible, stored }) => compressible && stored)
  expect(packed.length).toBe(weights)
  expect(own.layers.filter(({ compressible }) => compressible).length).toBe(weights)
  const graph = own.graph as Graph
  const feeds = feedsFor(graph, 8)
  for (const feed of Object.values(feeds))
    if (feed.data instanceof BigInt64Array) feed.data.forEach((_, i, ids) => (ids[i] = BigInt(i % 500)))
  const [name = ''] = graph.outputs.map((output) => output.name)
  const expected = (await run(path, feeds))[name]?.data as Float32Array
  const found = (await run(encodeModel(graph, weightReader(own)), feeds))[name]?.data as Float32Array
  const largest = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  const off = expected.reduce((most, x, i) => Math.max(most, Math.abs(x - (found[i] ?? Number.NaN))), 0)
  expect(off / largest).toBeLessThan(1e-4)
})
