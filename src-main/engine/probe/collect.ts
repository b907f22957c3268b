import { Fault } from '../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { Network } from '../checkpoint/network.ts'
import { weightReader } from '../checkpoint/weights.ts'
import type { Batch, DataPart } from '../data/types.ts'
import { segment } from '../graph/segment.ts'
import type { TaskContext } from '../protocol.ts'
import { openSession } from '../runtime/session.ts'
import type { TensorValue } from '../runtime/types.ts'

export interface ProbePass {
  network: Network
  part: DataPart
  values: readonly string[] // graph values to look at
  device: DeviceId
  samples: number
  batchSize: number
}

/** One pass over calibration data: runs the network up to the asked values and shows them batch by batch. */
export async function collect(
  pass: ProbePass,
  see: (values: Record<string, TensorValue>, batch: Batch) => void,
  context: TaskContext,
): Promise<number> {
  const { network, part, samples, batchSize } = pass
  if (network.graph === null) {
    throw new Fault('unsupported', `${network.name} holds tensors only: there is no graph to run.`, {
      hint: 'Choose a method that needs weights only.',
      data: { file: network.path },
    })
  }
  const outputs = [...new Set(pass.values)]
  const graph = segment(network.graph, { outputs })
  const session = await openSession(graph, weightReader(network), { device: pass.device }, context.notify)
  try {
    const needed = new Set(session.inputNames)
    const total = Math.min(samples, part.samples)
    let seen = 0
    for await (const batch of part.batches({ batchSize, limit: samples })) {
      const feeds = Object.fromEntries(Object.entries(batch.feeds).filter(([name]) => needed.has(name)))
      see(await session.run(feeds, outputs), batch)
      seen += batch.size
      context.progress({ fraction: Math.min(1, seen / total), step: `${seen} of ${total} samples` })
    }
    if (seen === 0) throw new Fault('bad-data', 'The data set has no calibration samples.')
    return seen
  } finally {
    await session.release()
  }
}
