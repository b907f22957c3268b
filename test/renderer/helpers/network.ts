import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Result } from '../../../src-preload/contract/channels.ts'
import type { CheckpointSummary, DataSummary, LayerSummary, Role } from '../../../src-preload/contract/model.ts'
import { type Budget, type Plan, plainMethods } from '../../../src-preload/contract/plan.ts'
import type { Device, Project } from '../../../src-preload/contract/project.ts'
import type { FrontPoint } from '../../../src-preload/contract/results.ts'

// A small made-up language model with exact sizes and a loss that falls fourfold per bit: enough to look at the window
// and to test its parts without an engine. Never part of the product.

const width = 256
const blocks = 8
export const baseBytes = 24_000

function layer(name: string, role: Role, block: number | null, shape: number[], compressible = true): LayerSummary {
  const parameters = shape.reduce((a, b) => a * b, 1)
  return { name, role, block, shape, dtype: 'float32', bytes: parameters * 4, stored: null, parameters, compressible }
}

export const layers: LayerSummary[] = [
  layer('model.embed_tokens.weight', 'embed', null, [2048, width]),
  ...Array.from({ length: blocks }, (_, i) => {
    const at = (name: string) => `model.layers.${i}.${name}.weight`
    return [
      layer(at('input_layernorm'), 'norm', i, [width], false),
      layer(at('self_attn.q_proj'), 'q', i, [width, width]),
      layer(at('self_attn.k_proj'), 'k', i, [width / 2, width]),
      layer(at('self_attn.v_proj'), 'v', i, [width / 2, width]),
      layer(at('self_attn.o_proj'), 'o', i, [width, width]),
      layer(at('post_attention_layernorm'), 'norm', i, [width], false),
      layer(at('mlp.gate_proj'), 'gate', i, [512, width]),
      layer(at('mlp.up_proj'), 'up', i, [512, width]),
      layer(at('mlp.down_proj'), 'down', i, [width, 512]),
    ]
  }).flat(),
  layer('model.norm.weight', 'norm', null, [width], false),
  layer('lm_head.weight', 'head', null, [2048, width]),
]

const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0)

export const checkpoint: CheckpointSummary = {
  path: '/models/novels-5m',
  name: 'novels-5m',
  format: 'safetensors',
  family: 'llama',
  task: 'causal-lm',
  parameters: sum(layers.map((row) => row.parameters)),
  bytes: sum(layers.map((row) => row.bytes)) + 12_000,
  blocks,
  layers,
  fingerprint: 'f'.repeat(64),
  notices: [],
  exports: [
    { format: 'onnx', reason: null },
    { format: 'gguf', reason: null },
    { format: 'safetensors', reason: null },
    { format: 'gptq', reason: 'layer widths must be multiples of 128' },
  ],
  tied: [],
  licence: 'mit',
  documents: ['config', 'tokenizer', 'chat-template'],
  card: { context: '512', vocabulary: '2,048', 'hidden width': '256', heads: '8 (4 key-value)', dtype: 'float32' },
}

export const data: DataSummary = {
  path: '/data/novels/data.yaml',
  kind: 'text',
  calibrate: 96,
  evaluate: 178,
  unit: 'windows of 256 tokens',
  split: 'the description names two files: calib.txt calibrates, valid.txt evaluates',
  details: { tokens: '24,320 and 44,492', tokenizer: 'byte-level BPE, 2,048 entries' },
  notices: [],
  fingerprint: 'd'.repeat(64),
}

export const devices: Device[] = [
  { id: 'cpu', title: 'CPU', available: true, reason: '8 cores', gflops: 212 },
  { id: 'webgpu', title: 'WebGPU', available: true, reason: 'a discrete adapter', gflops: 5400 },
  {
    id: 'cuda',
    title: 'CUDA',
    available: false,
    reason: 'libonnxruntime_providers_cuda.so is not installed',
    gflops: null,
  },
]

type Options = Result<'option.list'>

const need = (row: LayerSummary): number => {
  const role =
    { down: 3, v: 2, o: 1.6, head: 2.4, embed: 1.1, up: 1.2, gate: 0.9, q: 0.6, k: 0.5 }[row.role as 'q'] ?? 1
  return role * (row.block === 0 || row.block === blocks - 1 ? 2.5 : 1) * 0.06
}

export const options: Options = layers
  .filter((row) => row.compressible)
  .map((row) => ({
    name: row.name,
    options: [2, 3, 4, 5, 6, 7, 8, 32].map((bits) => ({
      id: bits === 32 ? 'keep' : `rtn-${bits}-g32`,
      method: bits === 32 ? 'keep' : 'rtn',
      bits,
      parameters: (bits === 32 ? {} : { bits, groupSize: 32, symmetric: true }) as Record<string, number | boolean>,
      bytes: bits === 32 ? row.bytes : Math.ceil((row.parameters * bits) / 8 + (row.parameters / 32) * 2 + 120),
      loss: bits === 32 ? 0 : need(row) * 4 ** -(bits - 2),
    })),
  }))

const optionAt = (row: Options[number], id: string) => row.options.find((option) => option.id === id) ?? row.options[0]

/** Bytes of the file with one width everywhere, interpolated between whole widths. */
export function uniformBytes(bits: number): number {
  const at = (width: number) =>
    baseBytes +
    sum(options.map((row) => (width > 8 ? optionAt(row, 'keep') : optionAt(row, `rtn-${width}-g32`))?.bytes ?? 0))
  if (bits > 8) return at(bits)
  const low = Math.floor(bits)
  return at(low) + (bits - low) * (at(low + 1) - at(low))
}

export function solve(budget: Budget, locked: Readonly<Record<string, string>>, uniform = false, factor = 1): Plan {
  const budgetBytes = 'bytes' in budget ? budget.bytes : uniformBytes('bits' in budget ? budget.bits : 4)
  const widths = [2, 3, 4, 5, 6, 7, 8]
  const flat = widths.findLast((width) => uniformBytes(width) <= budgetBytes + 1) ?? 2
  const chosen = new Map(
    options.map((row) => [row.name, locked[row.name] ?? (uniform ? `rtn-${flat}-g32` : 'rtn-2-g32')]),
  )
  const size = () => baseBytes + sum(options.map((row) => optionAt(row, chosen.get(row.name) ?? '')?.bytes ?? 0))
  let bytes = size()
  for (;;) {
    if (uniform) break
    let best: { name: string; id: string; cost: number; rate: number } | null = null
    for (const row of options) {
      if (row.name in locked) continue
      const now = optionAt(row, chosen.get(row.name) ?? '')
      const next = row.options[row.options.findIndex((option) => option.id === now?.id) + 1]
      if (!now || !next) continue
      const cost = next.bytes - now.bytes
      const rate = ((now.loss ?? 0) - (next.loss ?? 0)) / cost
      if (bytes + cost <= budgetBytes && (!best || rate > best.rate)) best = { name: row.name, id: next.id, cost, rate }
    }
    if (!best) break
    chosen.set(best.name, best.id)
    bytes += best.cost
  }
  const rows = options.map((row) => {
    const option = optionAt(row, chosen.get(row.name) ?? '')
    const loss = (option?.loss ?? 0) * factor
    return {
      name: row.name,
      option: option?.id ?? 'keep',
      bits: option?.bits ?? 32,
      bytes: option?.bytes ?? 0,
      loss,
      locked: row.name in locked,
    }
  })
  const weights = new Map(layers.map((row) => [row.name, row.parameters]))
  const total = sum(rows.map((row) => weights.get(row.name) ?? 0))
  const loss = sum(rows.map((row) => row.loss))
  return {
    predicted: {
      bytes,
      averageBits: sum(rows.map((row) => row.bits * (weights.get(row.name) ?? 0))) / total,
      bitsPerWeight: (8 * (bytes - baseBytes)) / total,
      ...{ sparsity: 0, rankShare: 1, seconds: null },
      loss,
      lossLow: loss * 0.8,
      lossHigh: loss * 1.28,
      source: 'measured one layer at a time on 8 windows of 256 tokens',
    },
    budgetBytes,
    budget: 'asked of the double',
    ...{ removed: [], allocator: 'knapsack', optimal: true },
    layers: rows,
    recipe: {
      lathe: 1,
      checkpoint: { name: checkpoint.name, fingerprint: checkpoint.fingerprint },
      seed: 1,
      layers: rows.map((row) => ({
        name: row.name,
        option: { id: row.option, method: row.option === 'keep' ? 'keep' : 'rtn', bits: row.bits, parameters: {} },
      })),
    },
    solveMs: 1.2,
  }
}

/** The same plan, as another allocator would have chosen it. */
export function chosenBy(allocator: string | null, budget: Budget, plan: Plan): Plan {
  if (allocator === 'knapsack' && 'perSecond' in budget)
    throw new Fault('unsupported', 'Exact budgeted choice does not take into account: maxSeconds.', {
      data: { field: 'allocator', found: allocator },
    })
  return allocator === null ? plan : { ...plan, allocator, optimal: allocator === 'knapsack' }
}

export function frontPoint(plan: Plan): FrontPoint {
  const { bytes, averageBits, loss, lossLow, lossHigh } = plan.predicted
  const unknown = { predictedSeconds: null }
  return { bytes, averageBits, loss, lossLow, lossHigh, predictedMemory: memoryOf(bytes), ...unknown }
}

/** What the double says a file takes while it runs. */
export const memoryOf = (bytes: number): number => 1.3 * bytes + 22e6

export const folder = '/home/someone/lathe/novels-5m'

export function emptyProject(): Project {
  return {
    folder,
    name: 'novels-5m',
    device: 'cpu',
    format: 'onnx',
    methods: plainMethods,
    checkpoint: checkpoint,
    data: null,
    scores: [],
    sensitivity: { measured: 0, total: 406, samples: 0, source: 'weight error only (no data)' },
    variants: [],
    evaluations: [],
    exports: [],
  }
}
