// What flows over the seams of a network, on calibration data: ranges of every channel, and some rows as they are.
import { Fault } from '../../../src-preload/contract/fault.ts'
import { batchesOf, samplesOf } from '../calibrate/batches.ts'
import { feedsFor } from '../calibrate/collect.ts'
import { realRows, weightsFor } from '../calibrate/rows.ts'
import { weightReader } from '../checkpoint/weights.ts'
import { random } from '../data/random.ts'
import { segment } from '../graph/segment.ts'
import type { TaskContext } from '../protocol.ts'
import { openSession } from '../runtime/session.ts'
import type { TensorValue } from '../runtime/types.ts'
import type { MeasureArguments } from './define.ts'
import type { Runnable } from './rewriting.ts'
import type { Seam } from './seams.ts'

/** Of a seam's value, by the channels that its readers see, [width]. */
export interface Observed {
  meanAbs: Float32Array
  meanSquare: Float32Array
  maxAbs: Float32Array
  low: Float32Array
  high: Float32Array
  rows: Float32Array // [kept, width], a seeded choice of all rows; empty for images
}

/** Rows kept of each value, no matter how much data there is. */
const KEPT_ROWS = 256

/** One pass over calibration data. Faults 'bad-data' without samples or where an activation is not finite. */
export async function observe(
  { network, dataset, samples, device, seed }: Omit<MeasureArguments, 'network'> & { network: Runnable },
  seams: readonly Seam[],
  context: TaskContext,
): Promise<Map<string, Observed>> {
  const count = samplesOf(dataset, samples, context.notify)
  const values = [...new Set(seams.map(({ value }) => value))]
  const sums = new Map(seams.map((seam) => [seam.value, new Sums(seam, seed, network.name)]))
  const part = segment(network.graph, { outputs: values })
  const session = await openSession(part, weightReader(network), { device }, context.notify)
  try {
    let done = 0
    for await (const batch of batchesOf(network, dataset, count)) {
      const rows = realRows(network, batch)
      const outputs = await session.run(feedsFor(session, batch, rows.samples, new Map()))
      for (const [name, sum] of sums) sum.add(outputs[name], (found) => weightsFor(rows, found, null))
      done += batch.size
      context.progress({ fraction: done / count, step: `${done} of ${count} samples` })
    }
  } finally {
    await session.release()
  }
  return new Map(seams.map((seam) => [seam.name, sums.get(seam.value)?.finish() ?? emptyFault(seam)]))
}

const emptyFault = ({ name }: Seam): never => {
  throw new Fault('internal', `${name}: nothing was observed`)
}

class Sums {
  readonly #seam: Seam
  readonly #network: string
  readonly #draw: () => number
  #count = 0 // rows, or places of images
  #seen = 0 // rows offered to the reservoir
  #kept: Float32Array[] = []
  #abs = new Float64Array(0)
  #square = new Float64Array(0)
  #low = new Float32Array(0)
  #high = new Float32Array(0)

  constructor(seam: Seam, seed: number, network: string) {
    this.#seam = seam
    this.#network = network
    this.#draw = random(seed).uniform
  }

  add(value: TensorValue | undefined, weights: (rows: number) => Float32Array | null): void {
    const { axis, name } = this.#seam
    if (!(value?.data instanceof Float32Array))
      throw new Fault('internal', `${this.#network}: ${name} is not float32 but ${value?.dtype ?? 'missing'}`)
    const { data, dims } = value
    const width = (axis === 'image' ? dims[1] : dims.at(-1)) ?? 0
    if (this.#abs.length === 0) this.#begin(width)
    const inner = axis === 'image' ? dims.slice(2).reduce((product, size) => product * size, 1) : 1
    const rows = data.length / (width * inner)
    const used = axis === 'image' ? null : weights(rows)
    for (let row = 0; row < rows; row++) {
      if (used && (used[row] ?? 0) <= 0) continue
      this.#addRow(data.subarray(row * width * inner, (row + 1) * width * inner), inner)
    }
  }

  #begin(width: number): void {
    this.#abs = new Float64Array(width)
    this.#square = new Float64Array(width)
    this.#low = new Float32Array(width).fill(Infinity)
    this.#high = new Float32Array(width).fill(-Infinity)
  }

  #addRow(row: Float32Array, inner: number): void {
    const width = this.#abs.length
    for (let c = 0; c < width; c++) {
      for (let i = 0; i < inner; i++) {
        const x = row[c * inner + i] as number
        this.#abs[c] = (this.#abs[c] as number) + Math.abs(x)
        this.#square[c] = (this.#square[c] as number) + x * x
        if (x < (this.#low[c] as number)) this.#low[c] = x
        if (x > (this.#high[c] as number)) this.#high[c] = x
      }
    }
    this.#count += inner
    if (inner === 1 && this.#seam.axis === 'last') this.#keep(row)
  }

  /** Vitter 1985, "Random Sampling with a Reservoir", algorithm R. */
  #keep(row: Float32Array): void {
    this.#seen++
    if (this.#kept.length < KEPT_ROWS) {
      this.#kept.push(row.slice())
      return
    }
    const at = Math.floor(this.#draw() * this.#seen)
    if (at < KEPT_ROWS) this.#kept[at]?.set(row)
  }

  finish(): Observed {
    const width = this.#abs.length
    const bad = this.#square.findIndex((value) => !Number.isFinite(value))
    if (bad >= 0 || this.#count === 0)
      throw new Fault('bad-data', `${this.#network}: what enters ${this.#seam.name} is not finite, or nothing is.`, {
        hint: 'Check the calibration data: an activation of this network is NaN or infinite on it.',
        data: { tensor: this.#seam.name, expected: 'finite activations', found: String(this.#square[bad]) },
      })
    const mean = (sums: Float64Array) => Float32Array.from(sums, (sum) => sum / this.#count)
    const rows = new Float32Array(this.#kept.length * width)
    this.#kept.forEach((row, i) => rows.set(row, i * width))
    return {
      meanAbs: mean(this.#abs),
      meanSquare: mean(this.#square),
      maxAbs: this.#low.map((low, c) => Math.max(Math.abs(low), Math.abs(this.#high[c] as number))),
      low: this.#low,
      high: this.#high,
      rows,
    }
  }
}

/** Numbers of the channels of a seam from those its readers see: where several see one, all of them together. */
export function byChannel(seam: Seam, seen: Float32Array, join: 'max' | 'mean'): Float32Array {
  if (!seam.places) return seen
  const out = new Float32Array(seam.channels)
  const counts = new Float32Array(seam.channels)
  seam.places.forEach((channel, at) => {
    const value = seen[at] ?? 0
    if (channel < 0) return
    out[channel] = join === 'max' ? Math.max(out[channel] ?? 0, value) : (out[channel] ?? 0) + value
    counts[channel] = (counts[channel] ?? 0) + 1
  })
  return join === 'max' ? out : out.map((sum, channel) => sum / Math.max(1, counts[channel] ?? 1))
}
