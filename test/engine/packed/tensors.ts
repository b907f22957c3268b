import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseJsonObject } from '../../../src-main/engine/checkpoint/json.ts'
import { openPackedWeights } from '../../../src-main/engine/checkpoint/packed/open.ts'
import {
  encodeSafetensors,
  openSafetensors,
  type TensorToWrite,
} from '../../../src-main/engine/checkpoint/safetensors.ts'
import { floatToHalf, toFloat32 } from '../../../src-main/engine/checkpoint/convert.ts'
import { random } from '../../../src-main/engine/data/random.ts'
import { Settings } from '../../../src-main/engine/graph/families/config.ts'
import type { DataType } from '../../../src-main/engine/graph/ir.ts'
import { temporaryFolder } from '../checkpoint/temporary.ts'
import type { Plain } from './plain.ts'

const raw = (array: Int32Array | Uint16Array | Float32Array | BigInt64Array | Uint8Array) =>
  new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength)

export const ints = (shape: number[], data: Int32Array): TensorToWrite => ({ dtype: 'int32', shape, data: raw(data) })
export const longs = (...values: number[]): TensorToWrite => ({
  ...{ dtype: 'int64', shape: [values.length] },
  data: raw(BigInt64Array.from(values, BigInt)),
})
export const halves = (shape: number[], values: ArrayLike<number>): TensorToWrite => ({
  ...{ dtype: 'float16', shape },
  data: raw(floatToHalf(Float32Array.from(values))),
})
export const singles = (shape: number[], values: ArrayLike<number>): TensorToWrite => ({
  ...{ dtype: 'float32', shape },
  data: raw(Float32Array.from(values)),
})
export const bytes = (dtype: DataType, shape: number[], values: ArrayLike<number>): TensorToWrite => ({
  ...{ dtype, shape },
  data: Uint8Array.from(values),
})

/** Tensors written to a file and opened with these quantization settings. */
export function opened(tensors: Record<string, TensorToWrite>, settings: object) {
  const path = join(temporaryFolder(), 'model.safetensors')
  writeFileSync(path, encodeSafetensors(tensors))
  const config = parseJsonObject(new TextEncoder().encode(JSON.stringify(settings)), 'config.json')
  return openPackedWeights(openSafetensors([path]), new Settings(config, 'config.json', 'quantization_config.'))
}

/** Every weight read whole, and once more in two uneven parts. */
export function readBoth(source: ReturnType<typeof opened>['source'], name: string): [Float32Array, Float32Array] {
  const info = source.tensors.get(name)
  if (!info) throw new Error(`${name} is not listed`)
  const whole = toFloat32(source.read(name), info.dtype)
  const cut = 4 * Math.floor(whole.length / 3)
  const parts = [source.read(name, { begin: 0, end: cut }), source.read(name, { begin: cut, end: info.bytes })]
  const joined = new Uint8Array(info.bytes)
  joined.set(parts[0] ?? [])
  joined.set(parts[1] ?? [], cut)
  return [whole, toFloat32(joined, info.dtype)]
}

export interface Drawn extends Plain {
  size: number
}

/** Random codes, zero points and float16 scales. */
export function draw(
  seed: number,
  of: { rows: number; cols: number; bits: number; size: number; ordered?: boolean },
): Drawn {
  const source = random(seed)
  const { rows, cols, bits, size } = of
  const groups = Math.ceil(cols / size)
  const below = (limit: number) => Math.floor(source.uniform() * limit)
  const groupOf = Array.from({ length: cols }, (_, c) => Math.floor(c / size))
  if (of.ordered)
    for (let i = cols - 1; i > 0; i--) {
      const j = below(i + 1)
      ;[groupOf[i], groupOf[j]] = [groupOf[j] ?? 0, groupOf[i] ?? 0]
    }
  const half = (value: number) => toFloat32(raw(floatToHalf(Float32Array.of(value))), 'float16')[0] ?? 0
  return {
    ...{ rows, cols, bits, size, groups, groupOf },
    codes: Array.from({ length: rows * cols }, () => below(2 ** bits)),
    zeros: Array.from({ length: rows * groups }, () => below(2 ** bits)),
    scales: Array.from({ length: rows * groups }, () => half((source.uniform() - 0.3) * 10 ** (below(5) - 3))),
  }
}

export const pick = <T>(seed: number, list: readonly T[]): T => list[seed % list.length] as T
