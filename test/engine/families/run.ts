// Running a network of the golden cases.
import { listFolder } from '../../../src-main/engine/checkpoint/hf-folder.ts'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openHuggingFace } from '../../../src-main/engine/checkpoint/open-safetensors.ts'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import type { TensorValue } from '../../../src-main/engine/runtime/types.ts'

export const fail = (notice: string): never => {
  throw new Error(notice)
}

export const openPath = (folder: string): Network => openHuggingFace(folder, listFolder(folder))

/** An int64 matrix. */
export const whole = (rows: readonly (readonly number[])[]): TensorValue => ({
  dtype: 'int64',
  dims: [rows.length, rows[0]?.length ?? 0],
  data: BigInt64Array.from(rows.flat(), BigInt),
})

/** Logits [batch * time * vocabulary] of a whole window. */
export async function logitsOf(network: Network, ids: number[][]): Promise<Float32Array> {
  const { graph } = network
  if (!graph) throw new Error(network.notices.join(' '))
  const session = await openSession(graph, weightReader(network), { device: 'cpu', threads: 1 }, fail)
  try {
    const { logits } = await session.run({ input_ids: whole(ids) })
    if (!logits) throw new Error('no logits')
    const wanted = [ids.length, ids[0]?.length ?? 0, network.head?.vocabulary]
    if (logits.dims.join() !== wanted.join()) throw new Error(`logits are [${logits.dims.join()}]`)
    return logits.data as Float32Array
  } finally {
    await session.release()
  }
}

/** Infinite where the lengths differ or a number is none. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity
  let largest = 0
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs((a[i] ?? NaN) - (b[i] ?? NaN))
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference
  }
  return largest
}
