import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { floatToBfloat, floatToHalf } from '../../../src-main/engine/checkpoint/convert.ts'
import { encodeSafetensors, type TensorToWrite } from '../../../src-main/engine/checkpoint/safetensors.ts'

const goldenFolder = join(import.meta.dirname, '../../golden')

/** A small decoder with the logits that an independent reference gives (test/golden/llama_reference.py). */
export interface GoldenCase {
  name: string
  command: string
  config: Record<string, unknown>
  dtype: 'F32' | 'F16' | 'BF16' | 'F64'
  tensors: Record<string, number[]> // shapes
  ids: number[][] // [batch][time]
  logits: number[][] // [batch][time * vocabulary]
}

const casesOf = (kind: string): GoldenCase[] =>
  readdirSync(goldenFolder)
    .filter((file) => file.startsWith(`${kind}_`) && file.endsWith('.json'))
    .sort()
    .map((file) => ({
      name: file.slice(kind.length + 1, -5),
      ...(JSON.parse(readFileSync(join(goldenFolder, file), 'utf8')) as Omit<GoldenCase, 'name'>),
    }))

export const goldenCases: GoldenCase[] = casesOf('llama')
/** Decoders that are not named as Llama's relatives are (test/golden/families_reference.py). */
export const familyCases: GoldenCase[] = casesOf('family')

/** The formula of weight() in llama_reference.py. */
export function goldenWeight(name: string, shape: number[]): Float32Array {
  let state = 2166136261
  for (const byte of new TextEncoder().encode(name)) state = Math.imul(state ^ byte, 16777619) >>> 0
  const isNorm = name.includes('norm') || name.includes('ln_')
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0
    const step = (state >>> 24) - 128
    return isNorm ? 1 + Math.floor(step / 16) / 16 : step / 512
  })
}

const stores: Record<GoldenCase['dtype'], (values: Float32Array) => Pick<TensorToWrite, 'dtype' | 'data'>> = {
  F32: (values) => ({ dtype: 'float32', data: new Uint8Array(values.buffer) }),
  F64: (values) => ({ dtype: 'float64', data: new Uint8Array(Float64Array.from(values).buffer) }),
  F16: (values) => ({ dtype: 'float16', data: new Uint8Array(floatToHalf(values).buffer) }),
  BF16: (values) => ({ dtype: 'bfloat16', data: new Uint8Array(floatToBfloat(values).buffer) }),
}

export const goldenTensors = (golden: GoldenCase): Map<string, TensorToWrite> =>
  new Map(
    Object.entries(golden.tensors).map(([name, shape]) => [
      name,
      { ...stores[golden.dtype](goldenWeight(name, shape)), shape },
    ]),
  )

/** Writes the case as a Hugging Face folder, split into `shards` files; returns the folder. */
export function writeGoldenFolder(golden: GoldenCase, shards = 1, config: Record<string, unknown> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-golden-'))
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...golden.config, ...config }))
  const tensors = [...goldenTensors(golden)]
  if (shards === 1) {
    writeFileSync(join(folder, 'model.safetensors'), encodeSafetensors(new Map(tensors), { format: 'pt' }))
    return folder
  }
  const map: Record<string, string> = {}
  for (let shard = 0; shard < shards; shard++) {
    const file = `model-${String(shard + 1).padStart(5, '0')}-of-${String(shards).padStart(5, '0')}.safetensors`
    const part = tensors.filter((_, index) => index % shards === shard)
    for (const [name] of part) map[name] = file
    writeFileSync(join(folder, file), encodeSafetensors(new Map(part)))
  }
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: map }))
  return folder
}
