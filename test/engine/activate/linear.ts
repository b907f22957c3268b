// One product y = x W, x [rows, cols], in a file: what a method makes of x can be read.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { encodeModel } from '../../../src-main/engine/checkpoint/onnx/encode.ts'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { random } from '../../../src-main/engine/data/random.ts'
import type { Dataset } from '../../../src-main/engine/data/types.ts'
import { type DataType, float, type Graph, type Node } from '../../../src-main/engine/graph/ir.ts'
import { segment } from '../../../src-main/engine/graph/segment.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import { graphOf, step, weight } from '../onnx/build.ts'
import { temporaryFolder } from '../score/network.ts'
import { inputOf, quiet } from './run.ts'

export const cols = 64

/** Rows of normal numbers; channel j of scale 1 + 15 (j mod 7 = 0), as models with outliers have them. */
export function tokens(rows: number, seed: number): Float32Array {
  const source = random(seed)
  return Float32Array.from({ length: rows * cols }, (_, at) => source.normal() * ((at % cols) % 7 === 0 ? 16 : 1))
}

export function networkOf(graph: Graph): Network {
  const path = join(temporaryFolder(), 'model.onnx')
  writeFileSync(
    path,
    encodeModel(graph, () => new Uint8Array()),
  )
  const network = openNetwork(path)
  onTestFinished(() => network.source.close())
  return network
}

/** x -> [Clip below opset 11, so that raising has something to do] -> MatMul. */
export function linearNetwork(opset = 13, nodes: Node[] = [], dtype: DataType = 'float32'): Network {
  const bounds = opset < 11 ? { min: float(-1e30), max: float(1e30) } : null
  return networkOf({
    ...graphOf({
      nodes: [
        ...nodes,
        ...(bounds ? [step('Clip', ['x'], 'clipped', bounds)] : []),
        step('MatMul', [bounds ? 'clipped' : 'x', 'w'], 'y'),
      ],
      inputs: [{ name: 'x', dtype, shape: ['rows', cols] }],
      outputs: ['y'],
      initializers: [weight('w', [cols, 32], 3)],
      opset,
    }),
  })
}

/** Calibration rows as a data set of one sample each. */
export const rowData = (x: Float32Array): Dataset => {
  const samples = x.length / cols
  const part = {
    samples,
    ids: () => Array.from({ length: samples }, (_, at) => `row ${at}`),
    *batches({ batchSize, limit = samples }: { batchSize: number; limit?: number }) {
      for (let at = 0; at < Math.min(samples, limit); at += batchSize) {
        const data = x.slice(at * cols, (at + batchSize) * cols)
        const size = data.length / cols
        yield { feeds: { x: { dtype: 'float32' as const, dims: [size, cols], data } }, size, targets: null }
      }
    },
  }
  return { path: 'test', kind: 'image-classification', calibrate: part, evaluate: part, unit: 'rows', split: 'none', details: {}, notices: [], fingerprint: 'rows' } // prettier-ignore
}

/** What the product reads in place of x. */
export async function readBy(made: Network, x: Float32Array): Promise<Float32Array> {
  if (made.graph === null) throw new Error('no graph')
  const name = inputOf(made, 'w')
  const graph = segment(made.graph, { outputs: [name] })
  const session = await openSession(graph, weightReader(made), { device: 'cpu', threads: 1 }, quiet.notify)
  try {
    const out = await session.run({ x: { dtype: 'float32', dims: [x.length / cols, cols], data: x } })
    return out[name]?.data as Float32Array
  } finally {
    await session.release()
  }
}
