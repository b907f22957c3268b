// Whether two networks compute the same.
import { expect } from 'vitest'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { random } from '../../../src-main/engine/data/random.ts'
import type { Graph } from '../../../src-main/engine/graph/ir.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import type { TensorValue } from '../../../src-main/engine/runtime/types.ts'
import { fail } from '../families/run.ts'

export type Feeds = Record<string, TensorValue>

/** Seeded numbers for every input of a graph: tokens below `vocabulary`, masks of ones, pixels around 0. */
export function feedsFor({ graph, tokens, head }: Network, time: number, seed: number): Feeds {
  const { uniform, normal } = random(seed)
  const vocabulary = head?.vocabulary ?? tokens?.vocabulary ?? 8
  return Object.fromEntries(
    (graph?.inputs ?? []).map(({ name, dtype, shape }) => {
      const dims = (shape ?? []).map((size, axis) => (typeof size === 'number' ? size : axis === 0 ? 2 : time))
      const length = dims.reduce((product, size) => product * size, 1)
      const fill = (value: () => number) =>
        dtype === 'int64'
          ? BigInt64Array.from({ length }, () => BigInt(value()))
          : Float32Array.from({ length }, () => value())
      const value = /mask/.test(name) ? () => 1 : /type/.test(name) ? () => 0 : () => Math.floor(uniform() * vocabulary)
      return [name, { dtype, dims, data: dtype === 'int64' ? fill(value) : fill(normal) }]
    }),
  )
}

export async function outputsOf(network: Network, feeds: Feeds, graph: Graph | null = network.graph): Promise<Feeds> {
  if (!graph) throw new Error('no graph')
  const session = await openSession(graph, weightReader(network), { device: 'cpu', threads: 1 }, fail)
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}

/** Root mean square of the difference, relative to the first. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(b.length).toBe(a.length)
  let [difference, energy] = [0, 0]
  for (let i = 0; i < a.length; i++) {
    difference += ((a[i] ?? NaN) - (b[i] ?? NaN)) ** 2
    energy += (a[i] ?? NaN) ** 2
  }
  return Math.sqrt(difference / energy)
}

/** The largest relative error of any output. */
export async function distance(a: Network, b: Network, feeds: Feeds): Promise<number> {
  const [first, second] = [await outputsOf(a, feeds), await outputsOf(b, feeds)]
  const numbers = (value: TensorValue | undefined) => Array.from(value?.data ?? [], Number)
  return Math.max(...Object.entries(first).map(([name, value]) => relativeError(numbers(value), numbers(second[name]))))
}
