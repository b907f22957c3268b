import type { TensorValue } from '../runtime/types.ts'

/** A few samples, ready for the graph's inputs. */
export interface Batch {
  feeds: Record<string, TensorValue>
  size: number // samples in it
  /** What is to be predicted at each row of the output: next tokens (row-major over batch x time) or class labels.
   *  -1 = not scored (padding). null when the data has no labels. */
  targets: Int32Array | null
}

/** One of the two disjoint parts of a data set. Batches are made lazily and are the same each time. */
export interface DataPart {
  samples: number
  /** Stable ids of the samples ('valid.txt#3', 'images[17]'), for the record that both parts are disjoint. */
  ids(): string[]
  batches(options: { batchSize: number; limit?: number }): Generator<Batch> | AsyncGenerator<Batch>
}

export interface Dataset {
  path: string
  kind: 'text' | 'image-classification' | 'noise'
  calibrate: DataPart
  evaluate: DataPart
  unit: string
  split: string
  details: Record<string, string>
  notices: string[]
  fingerprint: string
}
