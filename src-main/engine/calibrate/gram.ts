// Sum of w x x^T over rows, as one matrix product per batch.
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { int, node, type Graph } from '../graph/ir.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import { openSession } from '../runtime/session.ts'
import type { Session } from '../runtime/types.ts'

const product: Graph = {
  name: 'gram',
  irVersion: 8,
  opsets: new Map([['', 13]]),
  nodes: [node('Gemm', ['x', 'y'], ['gram'], { transA: int(1) })],
  inputs: [
    { name: 'x', dtype: 'float32', shape: ['rows', 'size'] },
    { name: 'y', dtype: 'float32', shape: ['rows', 'size'] },
  ],
  outputs: [{ name: 'gram', dtype: 'float32', shape: ['size', 'size'] }],
  initializers: new Map(),
  values: new Map(),
  functions: [],
  metadata: new Map(),
  producer: 'lathe',
}

let opened: Promise<Session> | null = null

export function createHessian(size: number, _: { device?: DeviceId } = {}) {
  const sums = new Float32Array(size * size)
  let rows = 0
  return {
    async add(x: Float32Array, weights?: Float32Array): Promise<void> {
      const session = await (opened ??= openSession(
        product,
        () => new Uint8Array(),
        { device: 'cpu' },
        () => undefined,
      ))
      const count = x.length / size
      const y = weights ? x.map((value, i) => value * (weights[Math.floor(i / size)] ?? 0)) : x
      const dims = [count, size]
      const { gram } = await session.run({
        x: { dtype: 'float32', dims, data: x },
        y: { dtype: 'float32', dims, data: y },
      })
      const found = gram?.data as Float32Array
      for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) + (found[i] as number)
      rows += count
    },
    finish(): Hessian {
      for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) / Math.max(1, rows)
      return { size, data: sums, rows }
    },
  }
}
