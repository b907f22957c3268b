import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { streamModel } from '../../../src-main/engine/checkpoint/onnx/encode.ts'
import { readOnnx } from '../../../src-main/engine/checkpoint/onnx/read.ts'
import type { Initializer } from '../../../src-main/engine/graph/ir.ts'
import { graphOf, step } from './build.ts'

const rows = 4096
const layers = 120 // x 16 MiB = 1.9 GiB

/** A model of nearly two gigabytes that takes a few kilobytes of disk: its weights are holes in the file. */
function writeSparse(path: string): number {
  const weights = Array.from({ length: layers }, (_, i): Initializer => {
    return { name: `layers.${i}.fc.weight`, dtype: 'float32', shape: [rows, 1024], data: { source: `w${i}` } }
  })
  const graph = graphOf({
    nodes: weights.map((each, i) => step('MatMul', [i % 2 ? `h${i - 1}` : 'x', each.name], `h${i}`)),
    inputs: [{ name: 'x', dtype: 'float32', shape: [1, rows] }],
    outputs: [`h${layers - 1}`],
    initializers: weights,
  })
  const zeros = new Uint8Array(rows * 1024 * 4)
  const file = openSync(path, 'w')
  let at = 0
  streamModel(
    graph,
    () => zeros,
    (chunk) => {
      if (chunk.buffer !== zeros.buffer) writeSync(file, chunk, 0, chunk.length, at)
      at += chunk.length
    },
  )
  ftruncateSync(file, at)
  closeSync(file)
  return at
}

test('a model of two gigabytes opens by its headers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-large-'))
  try {
    const path = join(folder, 'large.onnx')
    const size = writeSparse(path)
    expect(size).toBeGreaterThan(2e9)
    const before = process.memoryUsage().rss
    const begun = performance.now()
    const { graph, source, bytes } = readOnnx(path)
    const elapsedMs = performance.now() - begun
    expect([graph.initializers.size, bytes]).toEqual([layers, size])
    expect(elapsedMs).toBeLessThan(1000)
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20)
    expect(source.read(`layers.${layers - 1}.fc.weight`, { begin: 100, end: 108 })).toEqual(new Uint8Array(8))
    source.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
})
