// What all measurements of one network on one data set share: the judge, the batches, and the activations at the blocks'
// borders, computed once in one pass and kept in the engine's memory, bounded.
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Batch, Dataset } from '../data/types.ts'
import { createJudge, type Judge } from '../evaluate/judge.ts'
import { cutBefore } from '../graph/segment.ts'
import { collect } from '../probe/collect.ts'
import type { TaskContext } from '../protocol.ts'
import type { TensorValue } from '../runtime/types.ts'
import { batchSizeFor } from './samples.ts'

/** Activations of all borders together may take this much; beyond it each block's are computed when needed. */
const MOST_KEPT_BYTES = 2 ** 30

export interface CalibrationKey {
  network: Network
  dataset: Dataset
  samples: number
  device: DeviceId
}

export interface CalibrationBatch {
  batch: Batch
  values: ReadonlyMap<string, TensorValue> // activations at the asked border
}

export interface Calibration {
  readonly judge: Judge
  readonly samples: number
  /** The calibration batches with the activations `cut` names; an empty cut needs no pass. */
  at(cut: readonly string[], context: TaskContext): Promise<CalibrationBatch[]>
  release(): Promise<void>
}

let kept: { key: string; calibration: Promise<Calibration> } | null = null

/** The calibration of this key; another key's is let go. */
export async function calibrate(key: CalibrationKey, context: TaskContext): Promise<Calibration> {
  const { network, dataset, samples, device } = key
  const name = JSON.stringify([network.path, network.fingerprint, dataset.fingerprint, samples, device])
  if (kept?.key === name) return kept.calibration
  const old = kept?.calibration
  const calibration = open(key, context)
  kept = { key: name, calibration }
  try {
    await (await old)?.release()
    return await calibration
  } catch (error) {
    if (kept.calibration === calibration) kept = null
    throw error
  }
}

async function open({ network, dataset, samples, device }: CalibrationKey, context: TaskContext): Promise<Calibration> {
  const judge = await createJudge(network, { device, notify: context.notify })
  const batchSize = batchSizeFor(network)
  const batches: Batch[] = []
  for await (const batch of dataset.calibrate.batches({ batchSize, limit: samples })) batches.push(batch)
  if (batches.length === 0) {
    throw new Fault('bad-data', `${dataset.path}: there are no calibration samples to measure on.`, {
      hint: 'Give the calibration part some samples, or measure without data.',
      data: { file: dataset.path },
    })
  }
  const stored: Map<string, TensorValue>[] = batches.map(() => new Map())
  const part = { ...dataset.calibrate, batches: () => batches.values() as Generator<Batch> }

  async function fill(cut: readonly string[], borders: readonly string[], progress: TaskContext): Promise<void> {
    const wanted = [...new Set([...cut, ...borders])]
    const asked = new Set(cut)
    let [bytes, at, all] = [0, 0, true]
    for (const store of stored) store.clear()
    const see = (values: Record<string, TensorValue>) => {
      for (const [value, tensor] of Object.entries(values)) {
        if (!all && !asked.has(value)) continue
        stored[at]?.set(value, tensor)
        bytes += tensor.data.byteLength
      }
      at++
      if (!all || bytes <= MOST_KEPT_BYTES) return
      all = false
      for (const store of stored) for (const value of store.keys()) if (!asked.has(value)) store.delete(value)
    }
    await collect({ network, part, values: wanted, device, samples, batchSize }, see, progress)
  }

  return {
    judge,
    samples: batches.reduce((sum, batch) => sum + batch.size, 0),
    async at(cut, progress) {
      if (!stored.every((store) => cut.every((value) => store.has(value)))) {
        const { graph, blocks } = network
        await fill(cut, graph === null ? [] : blocks.flatMap((block) => cutBefore(graph, block)), progress)
      }
      return batches.map((batch, index) => ({ batch, values: stored[index] ?? new Map<string, TensorValue>() }))
    },
    release: () => judge.release(),
  }
}
