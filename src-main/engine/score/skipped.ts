// Runs of parts of a network on calibration batches, and the network with a block passed by: what lies behind a residual block
// is fed with what entered it.
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { Network } from '../checkpoint/network.ts'
import { weightReader } from '../checkpoint/weights.ts'
import { segment } from '../graph/segment.ts'
import { openSession } from '../runtime/session.ts'
import type { TensorValue } from '../runtime/types.ts'
import type { CalibrationBatch } from './calibration.ts'

export interface PartRun {
  network: Network
  cut: readonly string[] // values that the batches hold; empty: the whole network
  value: string
  device: DeviceId
  notify: (notice: string) => void
}

const floats = (tensor: TensorValue | undefined) =>
  tensor?.data instanceof Float32Array ? tensor.data : Float32Array.from(tensor?.data ?? [], Number)

/** `value` of every batch. One session, released at the end. */
export async function partOutputs(
  { network, cut, value, device, notify }: PartRun,
  batches: readonly CalibrationBatch[],
): Promise<Float32Array[]> {
  if (cut.includes(value)) return batches.map(({ values }) => floats(values.get(value)))
  if (network.graph === null) throw new Error('a network without a graph has no parts')
  const graph = segment(network.graph, { inputs: [...cut], outputs: [value] })
  const session = await openSession(graph, weightReader(network), { device }, notify)
  try {
    const outputs: Float32Array[] = []
    for (const { batch, values } of batches) {
      const feeds: Record<string, TensorValue> = {}
      for (const name of session.inputNames) {
        const fed = values.get(name) ?? batch.feeds[name]
        if (fed !== undefined) feeds[name] = fed
      }
      outputs.push(floats((await session.run(feeds, [value]))[value]))
    }
    return outputs
  } finally {
    await session.release()
  }
}

/** The batches with what entered a block in the place of what left it. */
export const passingBy = (
  batches: readonly CalibrationBatch[],
  { input, output }: { input: string; output: string },
): CalibrationBatch[] =>
  batches.map(({ batch, values }) => {
    const value = values.get(input)
    return { batch, values: new Map(value === undefined ? [] : [[output, value]]) }
  })
