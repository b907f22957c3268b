// What a network becomes as GGUF: which tensors, made of which of its own, in which order. Looks at headers only.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Architecture, TensorPart, TensorRule } from '../../checkpoint/gguf/architectures/define.ts'
import { architectureFor, architectures } from '../../checkpoint/gguf/architectures/registry.ts'
import { orderFits } from '../../checkpoint/gguf/architectures/rows.ts'
import type { Metadata } from '../../checkpoint/gguf/metadata.ts'
import type { Layer, Network, TensorInfo } from '../../checkpoint/network.ts'
import { Settings } from '../../graph/families/config.ts'

/** A tensor of the checkpoint inside a tensor of the file. Its rows are those of the file's tensor from `first` on, in its
 *  own order. */
export interface Part {
  info: TensorInfo
  layer: Layer | undefined
  order: TensorPart['order']
  first: number
  rows: number
}

export interface GgufTensor {
  name: string
  shape: number[] // outermost first
  rows: number
  cols: number
  parts: Part[] // none: `table` holds the numbers
  table?: Float32Array
  transposed: boolean
  plus: number
  skip: number // rows of the (only) part that are left out in front
  /** Whether it may be anything but float32. */
  free: boolean
}

export interface Layout {
  architecture: Architecture
  settings: Settings
  metadata: Metadata // the architecture's own keys
  tensors: GgufTensor[]
  embeddingRows: number
  /** Tensors of the checkpoint that have no place in the file. */
  left: string[]
}

// As llama.cpp's converter and quantizer leave them in float32 (tensor_allows_quantization).
const alwaysFloat =
  /_norm\.weight$|^position_embd\.|^token_types\.|ffn_gate_inp|ssm_conv1d|shortconv\.conv\.|attn_rel_b\./

/** Why this network cannot be GGUF, in words; null when it can. */
export function refusal(network: Network): string | null {
  try {
    layoutOf(network)
    return null
  } catch (error) {
    if (error instanceof Fault && error.code !== 'internal') return error.message
    throw error
  }
}

const unsupported = (network: Network, why: string): Fault =>
  new Fault('unsupported', why, {
    hint: `GGUF holds language models that llama.cpp knows: ${architectures.map(({ title }) => title).join(', ')}.`,
    data: { file: network.path, field: 'format' },
  })

const layouts = new WeakMap<Network, Layout>()

/** Faults 'unsupported' where GGUF has no such architecture or no place for a tensor the model uses. */
export function layoutOf(network: Network): Layout {
  const known = layouts.get(network)
  if (known) return known
  const layout = makeLayout(network)
  layouts.set(network, layout)
  return layout
}

function makeLayout(network: Network): Layout {
  const { config, source } = network
  if (config === null) throw unsupported(network, 'it has no configuration that names its architecture')
  const type = config.get('model_type')
  const architecture = typeof type === 'string' ? architectureFor(type) : undefined
  if (!architecture)
    throw unsupported(network, `llama.cpp's file format has no architecture for ${JSON.stringify(type ?? 'unnamed')}`)
  const settings = new Settings(config, network.path)
  const metadata = architecture.metadataOf(settings, source.tensors)
  const layers = new Map(network.layers.map((layer) => [layer.name, layer]))
  const taken = new Set<string>()
  const tensors: GgufTensor[] = []
  for (const rule of architecture.rules(settings, source.tensors)) {
    const infos = rule.parts.map(({ name }) => source.tensors.get(name))
    if (!infos.every((info) => info !== undefined) || rule.parts.some(({ name }) => taken.has(name))) continue
    for (const { name } of rule.parts) taken.add(name)
    tensors.push(tensorOf(network, rule, infos, layers))
  }
  for (const [name, table] of architecture.tables?.(settings) ?? [])
    tensors.push({ name, shape: [table.length], rows: 1, cols: table.length, parts: [], table, transposed: false, plus: 0, skip: 0, free: false }) // prettier-ignore
  const left = [...source.tensors.keys()].filter((name) => !taken.has(name))
  const used = left.find((name) => (layers.get(name)?.op ?? '') !== '')
  if (used !== undefined) throw unsupported(network, `llama.cpp's ${architecture.title} has no place for ${used}`)
  const embedding = tensors.find(({ name }) => name === 'token_embd.weight')
  if (!embedding) throw unsupported(network, `no tensor of it is the embedding of a ${architecture.title} model`)
  return { architecture, settings, metadata, tensors, embeddingRows: embedding.rows, left }
}

function tensorOf(
  network: Network,
  rule: TensorRule,
  infos: readonly TensorInfo[],
  layers: ReadonlyMap<string, Layer>,
): GgufTensor {
  const { transposed = false, skip = 0, stacked = false, flat = false } = rule
  const shapes = infos.map(({ shape }) => {
    const turned = transposed ? shape.toReversed() : flat ? [shape.reduce((product, size) => product * size, 1)] : shape
    return turned.length > 0 && skip > 0 ? [(turned[0] ?? 0) - skip, ...turned.slice(1)] : turned
  })
  const [first = []] = shapes
  const inner = first.slice(1)
  if (shapes.some((shape) => shape.slice(1).join() !== inner.join() || (stacked && shape[0] !== first[0])))
    throw unsupported(network, `the parts of ${rule.gguf} differ in shape`)
  // A vector's rows are its elements where they move, else it is one row.
  const vector = inner.length === 0
  const cols = vector ? 1 : (inner.at(-1) ?? 1)
  let at = 0
  const parts = rule.parts.map(({ order }, index): Part => {
    const info = infos[index] as TensorInfo
    const rows = (shapes[index] ?? []).reduce((product, size) => product * size, 1) / cols
    if (!orderFits(order, rows)) throw unsupported(network, `the ${rows} rows of ${info.name} cannot be put in order`)
    const part = { info, layer: layers.get(info.name), order, first: at, rows }
    at += rows
    return part
  })
  const shape = stacked ? [parts.length, ...first] : [at / inner.slice(0, -1).reduce((a, b) => a * b, 1) / (vector ? 1 : 1), ...inner] // prettier-ignore
  const free = shape.length >= 2 && rule.gguf.endsWith('weight') && !alwaysFloat.test(rule.gguf)
  return { name: rule.gguf, shape, rows: at, cols, parts, transposed, plus: rule.plus ?? 0, skip, free }
}
