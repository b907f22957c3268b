import type { Batch } from '../data/types.ts'
import type { TensorValue } from '../runtime/types.ts'
import type { RowStatistics } from './types.ts'

export const isFloat = (value: TensorValue): value is TensorValue & { data: Float32Array } =>
  value.data instanceof Float32Array

/** Gathers what the batches say. */
export class Gathering {
  readonly rows: RowStatistics[] = []
  readonly clusters: number[] = []
  readonly signal: number[] = []
  readonly noise: number[] = []
  largest = 0
  samples = 0
  predictions = 0
  seconds = 0
  private readonly first = { samples: 0, seconds: 0 }

  time(batch: Batch, seconds: number): void {
    if (this.samples === 0) Object.assign(this.first, { samples: batch.size, seconds })
    this.samples += batch.size
    this.seconds += seconds
  }

  /** Without the first batch, which warms up, where there are others. */
  speed(): { samples: number; seconds: number } {
    const { samples, seconds } = this.first
    return this.samples > samples
      ? { samples: this.samples - samples, seconds: this.seconds - seconds }
      : { samples: this.samples, seconds: this.seconds }
  }

  addRows(rows: RowStatistics, batch: Batch, rowsPerSample: number, targets: Int32Array | null, before: number): void {
    this.rows.push(rows)
    this.predictions += rows.rows
    for (let row = 0; row < batch.size * rowsPerSample; row++)
      if (targets?.[row] !== -1) this.clusters.push(before + Math.floor(row / rowsPerSample))
  }

  addParity(original: ReadonlyMap<string, TensorValue>, candidate: ReadonlyMap<string, TensorValue>): void {
    let [signal, noise] = [0, 0]
    const [xs, ys] = [[...original.values()], [...candidate.values()]]
    xs.forEach((x, index) => {
      const y = ys[index]
      if (!y || !isFloat(x) || !isFloat(y)) return
      for (let at = 0; at < x.data.length; at++) {
        const value = x.data[at] ?? 0
        const difference = (y.data[at] ?? 0) - value
        signal += value * value
        noise += difference * difference
        this.largest = Math.max(this.largest, Math.abs(difference))
      }
    })
    this.signal.push(signal)
    this.noise.push(noise)
    this.predictions++
  }
}
