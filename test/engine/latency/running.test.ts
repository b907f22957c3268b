import { readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { measureRunning } from '../../../src-main/engine/latency/running.ts'
import { peakMeter } from '../../../src-main/engine/runtime/resident.ts'
import { float, node, type Graph } from '../../../src-main/engine/graph/ir.ts'
import { encodeModel } from '../../../src-main/engine/checkpoint/onnx/encode.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { imageData, quiet, residualGraph, residualNetwork, temporaryFolder } from '../score/network.ts'

const MB = 2 ** 20

/** Images times one [192, side] weight. */
function wideNetwork(side: number) {
  const data = new Float32Array(192 * side).fill(0.01)
  const graph: Graph = {
    ...residualGraph(),
    nodes: [
      node('Flatten', ['image'], ['flat']),
      node('MatMul', ['flat', 'wide.weight'], ['scores']),
      node('LeakyRelu', ['scores'], ['logits'], { alpha: float(0.5) }),
    ],
    initializers: new Map([
      [
        'wide.weight',
        { name: 'wide.weight', dtype: 'float32', shape: [192, side], data: { inline: new Uint8Array(data.buffer) } },
      ],
    ]),
    outputs: [{ name: 'logits', dtype: 'float32', shape: ['batch', side] }],
  }
  const path = join(temporaryFolder(), 'wide.onnx')
  writeFileSync(
    path,
    encodeModel(graph, () => new Uint8Array(data.buffer)),
  )
  return openNetwork(path)
}

test('a file takes at least its weights in memory, and what is larger takes more', async () => {
  const [small, large] = await Promise.all(
    [1024, 65536].map((side) =>
      measureRunning({ network: wideNetwork(side), dataset: imageData(), artifacts: null, format: 'onnx' }, quiet),
    ),
  )
  const bytes = 192 * 65536 * 4
  expect(large!.fileBytes).toBeGreaterThan(bytes)
  expect(large!.openBytes).toBeGreaterThan(0.9 * bytes)
  // Read, and at most packed once more for the product: nothing of Lathe itself is counted.
  expect(large!.peakBytes).toBeLessThan(3.2 * bytes)
  expect(large!.peakBytes - small!.peakBytes).toBeGreaterThan(0.8 * bytes)
  for (const found of [small!, large!]) {
    expect(found.peakBytes).toBeGreaterThanOrEqual(found.openBytes)
    expect(found.seconds).toBeGreaterThan(0)
    expect(found.low).toBeLessThanOrEqual(found.high)
    expect(found.sample).toBe('[1,3,8,8]')
  }
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`lathe-session-${process.pid}-`))).toEqual([])
})

test('what cannot be run is not measured, and said', async () => {
  const network = residualNetwork()
  const common = { dataset: imageData(), artifacts: null } as const
  expect(await measureRunning({ ...common, network, format: 'gguf' }, quiet)).toBeNull()
  const said: string[] = []
  const broken = { ...network, graph: { ...network.graph!, nodes: [node('NoSuchOperator', ['image'], ['logits'])] } }
  const found = await measureRunning(
    { ...common, network: broken, format: 'onnx' },
    { ...quiet, notify: (notice) => void said.push(notice) },
  )
  expect(found).toBeNull()
  expect(said.join()).toMatch(/was not measured.*NoSuchOperator/)
})

test('the meter sees a peak that is over when it is asked', () => {
  const meter = peakMeter()
  const before = meter.peak()
  let block: Buffer | null = Buffer.alloc(96 * MB, 1)
  meter.look()
  block = null
  ;(globalThis as { gc?: () => void }).gc?.()
  expect(block).toBeNull()
  expect(meter.peak()).toBeGreaterThan(90 * MB)
  expect(meter.peak()).toBeLessThan(200 * MB)
  expect(before).toBeLessThan(90 * MB)
})
