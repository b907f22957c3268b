import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  encodeModel,
  measureExternal,
  measureModel,
  streamModel,
} from '../../../src-main/engine/checkpoint/onnx/encode.ts'
import { readOnnx, readOnnxFrom } from '../../../src-main/engine/checkpoint/onnx/read.ts'
import { bytesRange } from '../../../src-main/engine/checkpoint/onnx/wire.ts'
import { hasData } from '../../helpers/data.ts'
import { pathOf, realModels } from './models.ts'
import { bytesOf, feedsFor, run } from './run.ts'

const writer = (path: string) => {
  const file = openSync(path, 'w')
  return { sink: (chunk: Uint8Array) => void writeSync(file, chunk), close: () => closeSync(file) }
}

test.skipIf(!hasData).for(realModels)('$file opens, and what is written back computes the same bits', async (model) => {
  const path = pathOf(model)
  const { graph, source, files, bytes, notices } = readOnnx(path)
  const read = (name: string) => source.read(name)
  expect({ nodes: graph.nodes.length, initializers: graph.initializers.size }).toEqual({
    nodes: model.nodes,
    initializers: model.initializers,
  })
  expect([files, bytes, notices]).toEqual([[path], statSync(path).size, []])
  expect([...source.tensors.keys()].sort()).toEqual([...graph.initializers.keys()].sort())

  const feeds = feedsFor(graph, 2, model.shapes)
  const expected = bytesOf(await run(path, feeds))
  const encoded = encodeModel(graph, read)
  expect(measureModel(graph)).toBe(encoded.length)
  expect(bytesOf(await run(encoded, feeds))).toEqual(expected)

  const again = readOnnxFrom(bytesRange(encoded, path))
  expect(
    Buffer.compare(
      encodeModel(again.graph, (name) => again.source.read(name)),
      encoded,
    ),
  ).toBe(0)

  const folder = mkdtempSync(join(tmpdir(), 'lathe-onnx-'))
  try {
    const out = writer(join(folder, 'm.onnx'))
    const side = writer(join(folder, 'm.data'))
    const external = { location: 'm.data', thresholdBytes: 1024 }
    streamModel(graph, read, out.sink, { ...external, sink: side.sink })
    out.close()
    side.close()
    const opened = readOnnx(join(folder, 'm.onnx'))
    expect(opened.files).toHaveLength(2)
    expect(measureExternal(graph, external)).toEqual({
      modelBytes: statSync(join(folder, 'm.onnx')).size,
      externalBytes: statSync(join(folder, 'm.data')).size,
    })
    expect(
      Buffer.compare(
        encodeModel(opened.graph, (name) => opened.source.read(name)),
        encoded,
      ),
    ).toBe(0)
    expect(bytesOf(await run(join(folder, 'm.onnx'), feeds))).toEqual(expected)
    opened.source.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
  source.close()
})
