import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { DataType, Graph } from '../graph/ir.ts'

/** A value that goes into or comes out of a session. int64 travels as BigInt64Array, float16 as Uint16Array bits. */
export interface TensorValue {
  dtype: DataType
  dims: number[]
  data: Float32Array | BigInt64Array | Int32Array | Uint8Array | Int8Array | Uint16Array | Float64Array
}

/** Bytes of an initializer in the initializer's own dtype and memory order. */
export type WeightReader = (name: string) => Uint8Array

export interface SessionOptions {
  device: DeviceId
  /** Initializers that become inputs, so that another candidate needs no new session. */
  weightInputs?: string[]
  threads?: number
}

export interface Session {
  readonly device: DeviceId // where it really runs, after any fallback
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  /** Runs once; `fetches` defaults to all outputs. Throws Fault('device') when the provider fails. */
  run(feeds: Record<string, TensorValue>, fetches?: string[]): Promise<Record<string, TensorValue>>
  release(): Promise<void>
}

/** Opens a graph on a device. A provider that fails is retried once, then falls back to the CPU; `notify` hears why. */
export type OpenSession = (
  graph: Graph,
  weights: WeightReader,
  options: SessionOptions,
  notify: (notice: string) => void,
) => Promise<Session>
