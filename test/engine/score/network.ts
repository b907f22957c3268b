// A small residual classifier written to disk as ONNX, and data for it, for tests of scores, sensitivities and exports.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeModel } from '../../../src-main/engine/checkpoint/onnx/encode.ts'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { random } from '../../../src-main/engine/data/random.ts'
import type { Batch, DataPart, Dataset } from '../../../src-main/engine/data/types.ts'
import { int, ints, node, type Graph, type Initializer, type Node } from '../../../src-main/engine/graph/ir.ts'

const CHANNELS = 32
const CLASSES = 10

function weight(name: string, shape: number[], seed: number): Initializer {
  const source = random(seed)
  const fanIn = shape.slice(1).reduce((product, size) => product * size, 1)
  const length = shape.reduce((product, size) => product * size, 1)
  const data = Float32Array.from({ length }, () => source.normal() / Math.sqrt(fanIn))
  return { name, dtype: 'float32', shape, data: { inline: new Uint8Array(data.buffer) } }
}

const pads = { pads: ints([1, 1, 1, 1]), kernel_shape: ints([3, 3]) }

function residual(index: number, from: string): { nodes: Node[]; initializers: Initializer[]; output: string } {
  const at = `blocks.${index}`
  const shape = [CHANNELS, CHANNELS, 3, 3]
  return {
    nodes: [
      node('Conv', [from, `${at}.conv1.weight`], [`${at}.a`], pads),
      node('Relu', [`${at}.a`], [`${at}.b`]),
      node('Conv', [`${at}.b`, `${at}.conv2.weight`], [`${at}.c`], pads),
      node('Add', [from, `${at}.c`], [`${at}.d`]),
      node('Relu', [`${at}.d`], [`${at}.out`]),
    ],
    initializers: [
      weight(`${at}.conv1.weight`, shape, 10 * index + 1),
      weight(`${at}.conv2.weight`, shape, 10 * index + 2),
    ],
    output: `${at}.out`,
  }
}

/** Stem, three residual blocks, pooling and a linear head; random weights. */
export function residualGraph(): Graph {
  const blocks: ReturnType<typeof residual>[] = []
  for (let index = 0; index < 3; index++) blocks.push(residual(index, blocks.at(-1)?.output ?? 'stem.out'))
  const initializers = [
    weight('stem.weight', [CHANNELS, 3, 3, 3], 100),
    ...blocks.flatMap((block) => block.initializers),
    weight('head.weight', [CLASSES, CHANNELS], 200),
  ]
  return {
    name: 'residual',
    irVersion: 8,
    opsets: new Map([['', 13]]),
    nodes: [
      node('Conv', ['image', 'stem.weight'], ['stem.conv'], pads),
      node('Relu', ['stem.conv'], ['stem.out']),
      ...blocks.flatMap((block) => block.nodes),
      node('GlobalAveragePool', [blocks.at(-1)?.output ?? ''], ['pooled']),
      node('Flatten', ['pooled'], ['features']),
      node('Gemm', ['features', 'head.weight'], ['logits'], { transB: int(1) }),
    ],
    inputs: [{ name: 'image', dtype: 'float32', shape: ['batch', 3, 8, 8] }],
    outputs: [{ name: 'logits', dtype: 'float32', shape: ['batch', CLASSES] }],
    initializers: new Map(initializers.map((initializer) => [initializer.name, initializer])),
    values: new Map(),
    functions: [],
    metadata: new Map(),
    producer: 'test',
  }
}

const folders: string[] = []
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A new folder, removed when the tests end. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-test-'))
  folders.push(folder)
  return folder
}

/** Writes the network as model.onnx into a folder of its own and opens it. */
export function residualNetwork(folder = temporaryFolder()): Network {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'source.onnx')
  writeFileSync(
    path,
    encodeModel(residualGraph(), () => new Uint8Array()),
  )
  return openNetwork(path)
}

function part(samples: number, seed: number): DataPart {
  const image = (index: number) => {
    const source = random(seed * 1000 + index)
    return Float32Array.from({ length: 3 * 64 }, () => source.normal())
  }
  return {
    samples,
    ids: () => Array.from({ length: samples }, (_, index) => `${seed}#${index}`),
    *batches({ batchSize, limit = samples }): Generator<Batch> {
      for (let begin = 0; begin < Math.min(limit, samples); begin += batchSize) {
        const size = Math.min(batchSize, Math.min(limit, samples) - begin)
        const data = new Float32Array(size * 192)
        for (let i = 0; i < size; i++) data.set(image(begin + i), i * 192)
        yield {
          feeds: { image: { dtype: 'float32', dims: [size, 3, 8, 8], data } },
          size,
          targets: Int32Array.from({ length: size }, (_, i) => (begin + i) % CLASSES),
        }
      }
    },
  }
}

/** Random images with labels; the two parts are different images. */
export const imageData = (calibrate = 12, evaluate = 6): Dataset => ({
  path: 'test',
  kind: 'image-classification',
  calibrate: part(calibrate, 1),
  evaluate: part(evaluate, 2),
  unit: 'images',
  split: 'two seeds',
  details: {},
  notices: [],
  fingerprint: `images ${calibrate} ${evaluate}`,
})

export const quiet = { progress: () => undefined, notify: () => undefined }
