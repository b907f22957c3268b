// A Hugging Face model as GGUF by the rules of its architecture, in the plainest way: whole tensors, row by row.
import type { Architecture, TensorRule } from '../../../src-main/engine/checkpoint/gguf/architectures/define.ts'
import { sourceRow } from '../../../src-main/engine/checkpoint/gguf/architectures/rows.ts'
import type { MetadataValue } from '../../../src-main/engine/checkpoint/gguf/metadata.ts'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { readFloat32 } from '../../../src-main/engine/checkpoint/weights.ts'
import { Settings } from '../../../src-main/engine/graph/families/config.ts'
import { floats, type GgufParts, type Value, type WrittenTensor } from '../../helpers/gguf.ts'

const valueOf = (value: MetadataValue): Value => {
  if (value.type === 'array') {
    if (value.of !== 'bool') throw new Error(`no test writes lists of ${value.of}`)
    return { bools: value.values() }
  }
  if (value.type === 'string') return { text: value.value }
  if (value.type === 'bool') return { bool: value.value }
  return value.type === 'float32' ? { f32: value.value } : { u32: value.value }
}

const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1)

/** Numbers of one part in GGUF's order of rows, with their shape. */
function partOf(network: Network, rule: TensorRule, index: number): { shape: number[]; data: Float32Array } {
  const part = rule.parts[index]
  const info = network.source.tensors.get(part?.name ?? '')
  if (!part || !info) throw new Error('no such part')
  let data = readFloat32(network, part.name)
  let shape = [...info.shape]
  if (rule.flat) shape = [product(shape)]
  if (rule.transposed) {
    const [height = 0, width = 0] = shape
    const source = data
    data = Float32Array.from(source, (_, i) => source[(i % height) * width + Math.floor(i / height)] ?? 0)
    shape = [width, height]
  }
  if (rule.skip) {
    const [height = 0, ...rest] = shape
    data = data.slice(rule.skip * product(rest))
    shape = [height - rule.skip, ...rest]
  }
  const cols = shape.length > 1 ? (shape.at(-1) ?? 1) : 1
  const rows = data.length / cols
  const moved = new Float32Array(data.length)
  for (let row = 0; row < rows; row++) {
    const from = sourceRow(part.order, rows, row)
    moved.set(data.subarray(from * cols, (from + 1) * cols), row * cols)
  }
  return { shape, data: moved.map((x) => x + (rule.plus ?? 0)) }
}

/** Keys and tensors of a network as `architecture` writes them. Every tensor has a place, but for those that `without`
 *  names. */
export function applied(
  network: Network,
  architecture: Architecture,
  without = /^$/,
): GgufParts & { tensors: WrittenTensor[] } {
  const settings = new Settings(network.config ?? new Map(), network.path)
  const { tensors: own } = network.source
  const metadata = architecture.metadataOf(settings, own)
  const taken = new Set<string>()
  const tensors: WrittenTensor[] = []
  for (const rule of architecture.rules(settings, own)) {
    if (!rule.parts.every(({ name }) => own.has(name) && !taken.has(name))) continue
    for (const { name } of rule.parts) taken.add(name)
    const parts = rule.parts.map((_, index) => partOf(network, rule, index))
    const [first] = parts
    if (!first) throw new Error(`${rule.gguf} has no part`)
    const inner = rule.stacked ? first.shape : first.shape.slice(1)
    const outer = rule.stacked ? parts.length : parts.reduce((sum, { shape }) => sum + (shape[0] ?? 1), 0)
    const data = Float32Array.from(parts.flatMap((part) => [...part.data]))
    tensors.push({ name: rule.gguf, type: 0, dims: [outer, ...inner].reverse(), data: floats(data) })
  }
  for (const [name, table] of architecture.tables?.(settings) ?? [])
    tensors.push({ name, type: 0, dims: [table.length], data: floats(table) })
  const left = [...own.keys()].filter((name) => !taken.has(name) && !without.test(name))
  if (left.length > 0) throw new Error(`no place for ${left.join(', ')}`)
  const bos = network.config?.get('bos_token_id')
  return {
    pairs: [
      ['general.architecture', { text: architecture.id }],
      ...[...metadata].map(([key, value]): [string, Value] => [key, valueOf(value)]),
      ...(typeof bos === 'number' ? [['tokenizer.ggml.bos_token_id', { u32: bos }] as const] : []),
    ],
    tensors,
  }
}
