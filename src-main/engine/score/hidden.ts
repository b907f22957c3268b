// Hidden states of a network, and seeded samples of their vectors that stay small however much data passes.
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { ScoreUnit } from '../../../src-preload/contract/methods.ts'
import { findSites } from '../activate/sites.ts'
import type { Network } from '../checkpoint/network.ts'
import { random, type Random } from '../data/random.ts'
import type { Batch } from '../data/types.ts'
import { flowOf } from '../probe/flow.ts'
import type { TensorValue } from '../runtime/types.ts'
import { vectorsOf } from './cosine.ts'

export interface HiddenState {
  key: string
  value: string // graph value
}

export interface HiddenStates {
  unit: ScoreUnit
  states: HiddenState[] // in order of the forward pass
  input: string | null // the stream before the first block
}

const SEED = 20260101 // of samples drawn while data passes; scores that draw afterwards use their bench's

/** What leaves each block; in a network without blocks to look between, what enters each layer. Empty without a graph. */
export function hiddenStates(network: Network): HiddenStates {
  const flow = flowOf(network)
  const states = flow.flatMap(({ index, output }) => (output ? [{ key: `${index}`, value: output }] : []))
  if (states.length > 1) return { unit: 'block', states, input: flow[0]?.input ?? null }
  const sites = network.graph === null ? [] : findSites(network, network.graph, 'all')
  const inside = sites.filter(({ graph }) => graph === network.graph)
  return {
    unit: 'layer',
    states: inside.flatMap(({ layers, value }) => layers.map((key) => ({ key, value }))),
    input: inside[0]?.value ?? null,
  }
}

/** The graph values of the states, each once. Faults 'unsupported' where there are none. */
export function valuesOf({ states }: HiddenStates, network: Network, title: string): string[] {
  if (states.length > 0) return [...new Set(states.map(({ value }) => value))]
  const why = network.graph === null ? 'holds tensors only' : 'has no hidden states that could be told apart'
  throw new Fault('unsupported', `${title}: ${network.name} ${why}.`, {
    hint: 'Use a score that needs weights only, such as "zd" or "welore".',
    data: { file: network.path },
  })
}

/** Reservoir sampling (Vitter 1985, algorithm R): every one of the things seen is kept with the same chance. */
export class Reservoir {
  readonly limit: number
  seen = 0
  readonly #random: Random

  constructor(limit: number, seed = SEED) {
    this.limit = limit
    this.#random = random(seed)
  }

  get kept(): number {
    return Math.min(this.seen, this.limit)
  }

  /** Of the next `count` things, those to keep and the places they take. */
  next(count: number): { from: number; to: number }[] {
    const picks: { from: number; to: number }[] = []
    for (let from = 0; from < count; from++, this.seen++) {
      const to = this.seen < this.limit ? this.seen : Math.floor(this.#random.uniform() * (this.seen + 1))
      if (to < this.limit) picks.push({ from, to })
    }
    return picks
  }
}

/** Vectors in the places of a reservoir: [kept, width]. */
export class VectorSample {
  width = 0
  data = new Float32Array()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  put(to: number, vector: Float32Array): void {
    if (this.data.length === 0) {
      this.width = vector.length
      this.data = new Float32Array(this.#limit * this.width)
    }
    if (vector.length === this.width) this.data.set(vector, to * this.width)
  }

  rows(kept: number): Float32Array {
    return this.data.subarray(0, kept * this.width)
  }
}

/** Numbers of an activation; Faults 'unsupported' on one that is not float32. */
export function floatsOf(tensor: TensorValue | undefined, name: string): Float32Array {
  if (tensor?.data instanceof Float32Array) return tensor.data
  throw new Fault('unsupported', `The activation "${name}" is ${tensor?.dtype ?? 'missing'}, not float32.`, {
    hint: 'Choose a score that needs weights only, or a checkpoint whose graph computes in float32.',
    data: { field: name, expected: 'float32', found: tensor?.dtype ?? 'nothing' },
  })
}

/** Keeps vectors of single positions: token embeddings, or the channels of one place of an image. */
export class PositionSample {
  readonly #reservoir: Reservoir
  readonly #vectors: VectorSample

  constructor(limit: number) {
    this.#reservoir = new Reservoir(limit)
    this.#vectors = new VectorSample(limit)
  }

  see(tensor: TensorValue | undefined, name: string): void {
    const data = floatsOf(tensor, name)
    const { count, width, stride, start } = vectorsOf(tensor?.dims ?? [])
    for (const { from, to } of this.#reservoir.next(count)) {
      const at = start(from)
      const vector = stride === 1 ? data.subarray(at, at + width) : new Float32Array(width)
      if (stride !== 1) for (let i = 0; i < width; i++) vector[i] = data[at + i * stride] ?? 0
      this.#vectors.put(to, vector)
    }
  }

  get width(): number {
    return this.#vectors.width
  }

  /** [kept, width] */
  get rows(): Float32Array {
    return this.#vectors.rows(this.#reservoir.kept)
  }
}

/** Keeps the same samples of several values, with what is to be predicted there: of text the tokens, of images the mean
 *  over all places. Rows that are not scored (padding) are left out. */
export class PairedSample {
  readonly #reservoir: Reservoir
  readonly #vectors: ReadonlyMap<string, VectorSample>
  readonly labels: Int32Array // -1: unknown
  readonly #perImage: boolean

  constructor(limit: number, values: readonly string[], { task }: Pick<Network, 'task'>) {
    this.#reservoir = new Reservoir(limit)
    this.#vectors = new Map(values.map((value) => [value, new VectorSample(limit)]))
    this.labels = new Int32Array(limit).fill(-1)
    this.#perImage = task === 'image-classification' || task === 'image-features'
  }

  see(values: Readonly<Record<string, TensorValue>>, { targets, size }: Batch): void {
    let picks: { from: number; to: number }[] | null = null
    for (const [name, sample] of this.#vectors) {
      const tensor = values[name]
      const data = floatsOf(tensor, name)
      const { count, width, stride, start } = vectorsOf(tensor?.dims ?? [])
      const rows = this.#perImage && count % size === 0 ? size : count
      picks ??= this.#choose(rows, targets)
      const each = count / rows
      for (const { from, to } of picks) {
        if (from >= rows) continue
        const mean = new Float32Array(width)
        for (let k = from * each; k < (from + 1) * each; k++)
          for (let i = 0, at = start(k); i < width; i++, at += stride)
            mean[i] = (mean[i] as number) + (data[at] as number) / each
        sample.put(to, mean)
      }
    }
  }

  #choose(rows: number, targets: Int32Array | null): { from: number; to: number }[] {
    const scored = Array.from({ length: rows }, (_, row) => row).filter(
      (row) => targets?.length !== rows || targets[row] !== -1,
    )
    return this.#reservoir.next(scored.length).map(({ from, to }) => {
      const row = scored[from] ?? 0
      this.labels[to] = targets?.length === rows ? (targets[row] ?? -1) : -1
      return { from: row, to }
    })
  }

  get kept(): number {
    return this.#reservoir.kept
  }

  /** [kept, width] of one value. */
  rows(value: string): { data: Float32Array; width: number } {
    const sample = this.#vectors.get(value)
    return { data: sample?.rows(this.kept) ?? new Float32Array(), width: sample?.width ?? 0 }
  }
}

/** Faults 'bad-data' naming the score and the place where an activation is not finite. */
export function requireFinite(data: Float32Array, key: string, title: string, network: Network): void {
  const faulty = data.findIndex((x) => !Number.isFinite(x))
  if (faulty < 0) return
  throw new Fault('bad-data', `${title}: the activations of ${key} have ${data[faulty]}.`, {
    hint: 'Look at the calibration data and at the checkpoint, or leave this score out.',
    data: { file: network.path, tensor: key, expected: 'finite activations', found: String(data[faulty]) },
  })
}
