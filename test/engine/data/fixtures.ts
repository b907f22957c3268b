import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { noAssets } from '../../../src-main/engine/checkpoint/assets.ts'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import type { ValueInfo } from '../../../src-main/engine/graph/ir.ts'
import type { Batch, DataPart } from '../../../src-main/engine/data/types.ts'

/** A folder that is gone after the test. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A network as far as data looks at it: its inputs, classes and head. */
export const networkWith = (
  inputs: ValueInfo[],
  more: { classes?: number; head?: Network['head']; path?: string } = {},
): Network => ({
  path: more.path ?? '/nowhere/model.onnx',
  name: 'model',
  format: 'onnx',
  family: 'onnx',
  task: more.head ? 'causal-lm' : 'image-classification',
  fingerprint: 'f',
  bytes: 0,
  graph: {
    name: 'g',
    irVersion: 10,
    opsets: new Map([['', 17]]),
    nodes: [],
    inputs,
    outputs: [{ name: 'y', dtype: 'float32', shape: ['n', more.classes ?? 10] }],
    initializers: new Map(),
    values: new Map(),
    functions: [],
    metadata: new Map(),
    producer: '',
  },
  source: {
    tensors: new Map(),
    read: () => new Uint8Array(),
    close: () => undefined,
  },
  layers: [],
  blocks: [],
  head: more.head ?? null,
  ...noAssets,
  notices: [],
  card: {},
  files: [],
})

export const imageNetwork = (side: number, classes = 10): Network =>
  networkWith([{ name: 'x', dtype: 'float32', shape: ['n', 3, side, side] }], { classes })

export async function allBatches(part: DataPart, options: { batchSize: number; limit?: number }): Promise<Batch[]> {
  const list: Batch[] = []
  for await (const batch of part.batches(options)) list.push(batch)
  return list
}

/** The bytes numpy.save writes for an array of these elements. */
export function npyBytes(descr: string, shape: number[], data: ArrayBufferView, version = 1): Buffer {
  const tail = shape.length === 1 ? ',' : ''
  let header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')}${tail}), }`
  const fixed = version === 1 ? 10 : 12
  header += ' '.repeat((64 - ((fixed + header.length + 1) % 64)) % 64) + '\n'
  const start = Buffer.alloc(fixed)
  start.write('\x93NUMPY', 'latin1')
  start[6] = version
  if (version === 1) start.writeUInt16LE(header.length, 8)
  else start.writeUInt32LE(header.length, 8)
  return Buffer.concat([
    start,
    Buffer.from(header, 'latin1'),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ])
}
