// Running a part of a piece on all calibration batches, one at a time.
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { fromFloat32 } from '../checkpoint/convert.ts'
import type { Network } from '../checkpoint/network.ts'
import { weightReader } from '../checkpoint/weights.ts'
import type { Batch, Dataset } from '../data/types.ts'
import type { Graph } from '../graph/ir.ts'
import { segment } from '../graph/segment.ts'
import { openSession } from '../runtime/session.ts'
import { fromBytes } from '../runtime/tensors.ts'
import type { TensorValue } from '../runtime/types.ts'
import { batchesOf } from './batches.ts'
import { feedsFor } from './collect.ts'
import type { Piece } from './layout.ts'
import { realRows, type RowWeights } from './rows.ts'
import type { State } from './state.ts'

export interface PieceRun {
  network: Network
  graph: Graph
  dataset: Dataset
  samples: number
  views: number // batches of the same samples that follow each other (mirrored.ts)
  device: DeviceId
  piece: Piece
  state: State | null // activations at the piece's border; null: it begins at the graph's inputs
  /** Compressed layers so far, as the file will compute them, in the tensor's memory order. */
  weights: Map<string, Float32Array>
  notify: (notice: string) => void
}

export interface PieceBatch {
  index: number
  batch: Batch
  rows: RowWeights
  values: ReadonlyMap<string, TensorValue> // the asked outputs
  done: number // samples so far, this batch's included
}

/** Weights from this size on are fed instead of built into the session: else they would lie in memory three times. */
const fedBytes = 1 << 20

/** Values of `graph` (the network's, perhaps with nodes added) for each batch, from the piece's border on, with the
 *  compressed weights. */
export async function* runBatches(
  run: PieceRun,
  graph: Graph,
  outputs: readonly string[],
): AsyncGenerator<PieceBatch, void, undefined> {
  const { network, dataset, samples, device, piece, state } = run
  const border = new Set(piece.border)
  const made = [...new Set(outputs)].filter((name) => !border.has(name))
  const part = made.length > 0 ? segment(graph, { inputs: piece.border, outputs: made }) : null
  const fed = part ? weightsOf(run, part) : new Map<string, TensorValue>()
  const reader = weightReader(network, run.weights)
  const session = part && (await openSession(part, reader, { device, weightInputs: [...fed.keys()] }, run.notify))
  try {
    let [index, done] = [0, 0]
    for await (const batch of batchesOf(network, dataset, samples)) {
      const rows = realRows(network, batch)
      const before = state?.batch(index) ?? new Map<string, TensorValue>()
      const given = new Map([...before, ...fed])
      const found = session ? await session.run(feedsFor(session, batch, rows.samples, given)) : {}
      const values = new Map(
        outputs.flatMap((name): [string, TensorValue][] => {
          const value = found[name] ?? before.get(name)
          return value ? [[name, value]] : []
        }),
      )
      done += batch.size
      yield { index, batch, rows, values, done }
      index++
    }
  } finally {
    await session?.release()
  }
}

function weightsOf({ network, weights }: PieceRun, part: Graph): Map<string, TensorValue> {
  const fed = new Map<string, TensorValue>()
  const reader = weightReader(network)
  for (const { name, parameters } of network.layers) {
    const initializer = part.initializers.get(name)
    if (!initializer) continue
    const { dtype, shape } = initializer
    const compressed = weights.get(name)
    if (compressed) fed.set(name, fromBytes(dtype, shape, fromFloat32(compressed, dtype)))
    else if (parameters * 4 >= fedBytes) fed.set(name, fromBytes(dtype, shape, reader(name)))
  }
  return fed
}
