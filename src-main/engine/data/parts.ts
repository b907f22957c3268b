import type { Batch, DataPart } from './types.ts'
import { badData } from './files.ts'
import { shuffled } from './random.ts'
import type { Split } from './description.ts'

/** Samples kept for calibration when nobody says how many: a fifth, at most 128. */
const defaultCalibration = (samples: number): Split => ({
  calibrate: Math.min(128, Math.max(1, Math.floor(samples / 5))),
  seed: 0,
})

export interface PartIndices {
  calibrate: number[]
  evaluate: number[]
  words: string
  notices: string[]
}

/** Two disjoint lists of sample indices; with `all` the evaluation takes every sample, and says so. */
export function splitSamples(samples: number, asked: Split | undefined, all: boolean, file: string): PartIndices {
  const { calibrate: wanted, seed } = asked ?? defaultCalibration(samples)
  if (!all && wanted >= samples)
    throw badData(file, `${samples} samples cannot give ${wanted} for calibration and leave any for evaluation`, {
      data: { field: 'split.calibrate', expected: `less than ${samples}`, found: `${wanted}` },
    })
  const order = shuffled(samples, seed)
  const ascending = (list: number[]) => list.sort((one, other) => one - other)
  const calibrate = ascending(order.slice(0, wanted))
  if (!all) {
    const evaluate = ascending(order.slice(wanted))
    return {
      calibrate,
      evaluate,
      words: `${wanted} of ${samples} drawn by seed ${seed}, the others evaluate`,
      notices: [],
    }
  }
  return {
    calibrate,
    evaluate: ascending([...order]),
    words: `none: all ${samples} evaluate, ${calibrate.length} of them also calibrate`,
    notices: ['Evaluation includes the calibration samples (split none): compressed models look better than they are.'],
  }
}

/** Both parts were given: no sample may be in both. */
export function checkDisjoint(calibrate: DataPart, evaluate: DataPart, file: string): void {
  const seen = new Set(calibrate.ids())
  const shared = evaluate.ids().find((id) => seen.has(id))
  if (shared !== undefined)
    throw badData(file, `sample ${shared} is in both parts`, {
      hint: 'Evaluate on other samples than those that calibrate, or give one part and let Lathe split it.',
      data: { field: shared },
    })
}

export interface PartSource {
  indices: readonly number[] // samples of this part, in order
  id: (sample: number) => string
  /** Lowest-waste order for batching; default: as listed. */
  arrange?: (indices: readonly number[]) => readonly number[]
  fixedBatch: number | null // where the graph's first dimension is a number
  load: (samples: readonly number[]) => Batch | Promise<Batch>
}

/** A part that makes its batches when asked, the same each time. */
export function makePart(source: PartSource): DataPart {
  return {
    samples: source.indices.length,
    ids: () => source.indices.map(source.id),
    async *batches({ batchSize, limit }) {
      const chosen = source.indices.slice(0, limit ?? source.indices.length)
      const ordered = source.arrange?.(chosen) ?? chosen
      const size = source.fixedBatch ?? Math.max(1, Math.floor(batchSize))
      for (let at = 0; at < ordered.length; at += size) yield await source.load(ordered.slice(at, at + size))
    },
  }
}

export const emptyPart: DataPart = {
  samples: 0,
  ids: () => [],
  async *batches() {
    // nothing to give
  },
}
