// A whole calibrated run, piece by piece, as the app does it.
import { compressPieceOf } from '../../../src-main/engine/calibrate/compress.ts'
import { layersOf, layoutOf, type Piece } from '../../../src-main/engine/calibrate/layout.ts'
import type { Layer, Network } from '../../../src-main/engine/checkpoint/network.ts'
import type { Dataset } from '../../../src-main/engine/data/types.ts'
import type { Artifact, TaskContext } from '../../../src-main/engine/protocol.ts'
import type { Option } from '../../../src-preload/contract/plan.ts'
import { quiet } from '../score/network.ts'

export interface Finished {
  piece: Piece
  artifacts: Artifact[]
  state: string | null // behind it
  notices: string[]
}

export async function runPieces(
  network: Network,
  dataset: Dataset,
  how: {
    samples: number
    folder: string
    option: (layer: Layer) => Option | null
    last?: number
    context?: TaskContext
    matching?: ReadonlyMap<string, string>
  },
): Promise<Finished[]> {
  if (network.graph === null) throw new Error('no graph')
  const finished: Finished[] = []
  for (const piece of layoutOf(network, network.graph)) {
    if (piece.index > (how.last ?? Infinity)) break
    const layers = layersOf(piece).flatMap(({ layer }) => {
      const option = how.option(layer)
      return option ? [{ name: layer.name, option }] : []
    })
    const { samples, folder } = how
    const before = finished.at(-1)?.state ?? null
    const found = await compressPieceOf(
      {
        ...{ network, dataset, layers, samples, folder },
        piece: piece.index,
        seed: 0,
        device: 'cpu',
        state: before,
        importance: null,
        ...(how.matching && { matching: how.matching }),
      },
      how.context ?? quiet,
    )
    finished.push({ piece, artifacts: found.artifacts, state: found.state?.path ?? null, notices: found.notices })
  }
  return finished
}
