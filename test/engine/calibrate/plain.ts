// Plain twins: Hessians by double loops over captured activations.
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import type { Batch } from '../../../src-main/engine/data/types.ts'
import { attributeInts, type Node } from '../../../src-main/engine/graph/ir.ts'
import { segment } from '../../../src-main/engine/graph/segment.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import type { TensorValue } from '../../../src-main/engine/runtime/types.ts'

/** What a graph value is for each batch. */
export async function capture(
  network: Network,
  value: string,
  batches: readonly Batch[],
  weights?: ReadonlyMap<string, Float32Array>, // in memory order, in place of the checkpoint's
): Promise<TensorValue[]> {
  if (network.graph === null) throw new Error('no graph')
  const graph = segment(network.graph, { outputs: [value] })
  const session = await openSession(graph, weightReader(network, weights), { device: 'cpu' }, () => undefined)
  const found: TensorValue[] = []
  for (const { feeds } of batches) {
    const fed = Object.fromEntries(Object.entries(feeds).filter(([name]) => session.inputNames.includes(name)))
    const result = (await session.run(fed))[value]
    if (result) found.push(result)
  }
  await session.release()
  return found
}

/** Mean of w x x^T over rows. */
export function plainHessian(rows: readonly Float32Array[], size: number, weights?: readonly number[]): Float64Array {
  const sums = new Float64Array(size * size)
  rows.forEach((row, r) => {
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++)
        sums[i * size + j] = (sums[i * size + j] ?? 0) + (weights?.[r] ?? 1) * (row[i] ?? 0) * (row[j] ?? 0)
  })
  return sums.map((sum) => sum / rows.length)
}

export const rowsIn = (data: Float32Array, size: number): Float32Array[] =>
  Array.from({ length: data.length / size }, (_, row) => data.subarray(row * size, (row + 1) * size))

/** Rows of a convolution's group: what lies under the kernel at every place of the output; zero outside the image. */
export function unfolded(image: TensorValue, node: Node, kernel: readonly number[], group: number, groups: number) {
  const [samples = 0, channels = 0, height = 0, width = 0] = image.dims
  const [kh = 1, kw = 1] = kernel
  const [sh = 1, sw = 1] = attributeInts(node, 'strides') ?? []
  const [top = 0, left = 0, bottom = 0, right = 0] = attributeInts(node, 'pads') ?? []
  const own = channels / groups
  const rows: Float32Array[] = []
  for (let n = 0; n < samples; n++)
    for (let y = -top; y + kh <= height + bottom; y += sh)
      for (let x = -left; x + kw <= width + right; x += sw) {
        const row = new Float32Array(own * kh * kw)
        for (let i = 0; i < row.length; i++) {
          const [c, dy, dx] = [Math.floor(i / (kh * kw)), Math.floor(i / kw) % kh, i % kw]
          const inside = y + dy >= 0 && y + dy < height && x + dx >= 0 && x + dx < width
          const at = ((n * channels + group * own + c) * height + y + dy) * width + x + dx
          row[i] = inside ? Number(image.data[at]) : 0
        }
        rows.push(row)
      }
  return rows
}

/** Largest difference, as a share of the largest number. */
export function distance(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [most, scale] = [0, 0]
  for (let i = 0; i < expected.length; i++) {
    most = Math.max(most, Math.abs((found[i] ?? NaN) - (expected[i] ?? 0)))
    scale = Math.max(scale, Math.abs(expected[i] ?? 0))
  }
  return found.length === expected.length ? most / scale : Infinity
}
