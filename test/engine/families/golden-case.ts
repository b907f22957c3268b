import { mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { floatToHalf } from '../../../src-main/engine/checkpoint/convert.ts'
import { listFolder } from '../../../src-main/engine/checkpoint/hf-folder.ts'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openHuggingFace } from '../../../src-main/engine/checkpoint/open-safetensors.ts'
import { encodeSafetensors, type TensorToWrite } from '../../../src-main/engine/checkpoint/safetensors.ts'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import type { TensorValue } from '../../../src-main/engine/runtime/types.ts'

const goldenFolder = join(import.meta.dirname, '../../golden')

export interface SentenceCase {
  pooling: ('cls' | 'max' | 'mean' | 'mean-sqrt')[]
  dense?: { module: string; rows: number; cols: number; bias: boolean; activation: 'tanh' | 'none' }[]
  normalised?: boolean
}

/** A small network with the outputs that an independent reference gives (test/golden/golden.py). */
export interface NetworkCase {
  name: string
  config: Record<string, unknown>
  tensors: Record<string, number[]> // shapes
  /** Rows of whole numbers; or the shape of an input whose values follow from the formula of the weights. */
  inputs: Record<string, number[][] | { shape: number[] }>
  outputs: Record<string, { shape: number[]; values: number[] }>
  sentence?: SentenceCase | null
}

export const networkCases = (kind: string): NetworkCase[] =>
  readdirSync(goldenFolder)
    .filter((file) => file.startsWith(`${kind}_`) && file.endsWith('.json'))
    .sort()
    .map((file) => ({
      name: file.slice(kind.length + 1, -5),
      ...(JSON.parse(readFileSync(join(goldenFolder, file), 'utf8')) as Omit<NetworkCase, 'name'>),
    }))

/** The formula of steps() in golden.py: whole numbers from -128 to 127. */
function steps(name: string, count: number): Float32Array {
  let state = 2166136261
  for (const byte of new TextEncoder().encode(name)) state = Math.imul(state ^ byte, 16777619) >>> 0
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0
    return (state >>> 24) - 128
  })
}

const product = (shape: readonly number[]) => shape.reduce((all, size) => all * size, 1)

/** The formula of weight() in golden.py. */
export function caseWeight(name: string, shape: readonly number[]): Float32Array {
  const at = name.lastIndexOf('.')
  const [module, last] = [name.slice(0, Math.max(at, 0)), name.slice(at + 1)]
  const isGain = /^(weight|gamma)$/.test(last) && /norm|layrnorm/i.test(module)
  return steps(name, product(shape)).map((step) => (isGain ? 1 + Math.floor(step / 16) / 16 : step / 512))
}

const store = (values: Float32Array, shape: number[], half: boolean): TensorToWrite =>
  half
    ? { dtype: 'float16', shape, data: new Uint8Array(floatToHalf(values).buffer) }
    : { dtype: 'float32', shape, data: new Uint8Array(values.buffer) }

/** Writes the case as its folder on the Hub would be; returns the folder. */
export function writeCase(golden: NetworkCase, config: Record<string, unknown> = {}, half = false): string {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-case-'))
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...golden.config, ...config }))
  const all = Object.entries(golden.tensors).map(
    ([name, shape]) => [name, store(caseWeight(name, shape), shape, half)] as const,
  )
  const dense = golden.sentence?.dense ?? []
  const owner = (name: string) => dense.find(({ module }) => name.startsWith(`${module}.`))
  const body = new Map(all.filter(([name]) => !owner(name)))
  writeFileSync(join(folder, 'model.safetensors'), encodeSafetensors(body, { format: 'pt' }))
  if (golden.sentence) writeSentence(folder, golden.sentence, new Map(all.filter(([name]) => owner(name))))
  return folder
}

function writeSentence(folder: string, sentence: SentenceCase, tensors: Map<string, TensorToWrite>): void {
  const modules = [{ idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' }]
  const add = (path: string, type: string, config: object | null) => {
    modules.push({
      idx: modules.length,
      name: String(modules.length),
      path,
      type: `sentence_transformers.models.${type}`,
    })
    mkdirSync(join(folder, path))
    if (config) writeFileSync(join(folder, path, 'config.json'), JSON.stringify(config))
  }
  add('1_Pooling', 'Pooling', {
    word_embedding_dimension: 32,
    pooling_mode_cls_token: sentence.pooling.includes('cls'),
    pooling_mode_mean_tokens: sentence.pooling.includes('mean'),
    pooling_mode_max_tokens: sentence.pooling.includes('max'),
    pooling_mode_mean_sqrt_len_tokens: sentence.pooling.includes('mean-sqrt'),
  })
  for (const { module, rows, cols, bias, activation } of sentence.dense ?? []) {
    const path = module.replace(/\.linear$/, '')
    const name = activation === 'tanh' ? 'Tanh' : 'linear.Identity'
    add(path, 'Dense', {
      in_features: cols,
      out_features: rows,
      bias,
      activation_function: `torch.nn.modules.${activation === 'tanh' ? 'activation.' : ''}${name}`,
    })
    const own = [...tensors].filter(([tensor]) => tensor.startsWith(`${module}.`))
    const stored = new Map(own.map(([tensor, value]) => [tensor.slice(path.length + 1), value]))
    writeFileSync(join(folder, path, 'model.safetensors'), encodeSafetensors(stored))
  }
  if (sentence.normalised) add(`${modules.length}_Normalize`, 'Normalize', null)
  writeFileSync(join(folder, 'modules.json'), JSON.stringify(modules))
}

export const openCase = (folder: string): Network => openHuggingFace(folder, listFolder(folder))

export const feedsOf = (golden: NetworkCase): Record<string, TensorValue> =>
  Object.fromEntries(
    Object.entries(golden.inputs).map(([name, rows]): [string, TensorValue] => {
      if (!Array.isArray(rows)) {
        const data = steps(name, product(rows.shape)).map((step) => step / 64)
        return [name, { dtype: 'float32', dims: rows.shape, data }]
      }
      const dims = [rows.length, rows[0]?.length ?? 0]
      return [name, { dtype: 'int64', dims, data: BigInt64Array.from(rows.flat(), BigInt) }]
    }),
  )

/** Runs the network's graph; every warning of the runtime is an error. */
export async function runNetwork(
  network: Network,
  feeds: Record<string, TensorValue>,
): Promise<Record<string, TensorValue>> {
  const { graph } = network
  if (!graph) throw new Error(network.notices.join(' '))
  const fail = (notice: string): never => {
    throw new Error(notice)
  }
  const session = await openSession(graph, weightReader(network), { device: 'cpu', threads: 1 }, fail)
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}

/** Largest difference between an output and the reference; NaN where their shapes differ. */
export function difference(found: TensorValue | undefined, wanted: { shape: number[]; values: number[] }): number {
  if (found?.dims.join() !== wanted.shape.join()) return Number.NaN
  return wanted.values.reduce((most, value, at) => Math.max(most, Math.abs(value - Number(found.data[at]))), 0)
}
