// llama.cpp's own block routines, called through koffi in the library that node-llama-cpp carries: the truth that our
// decoders are compared with and the encoders are raced against.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type GgmlType, ggmlTypes, rowBytes } from '../../src-main/engine/kernels/ggml/types.ts'

interface Library {
  func(signature: string): (...args: unknown[]) => unknown
}

const require = createRequire(import.meta.url)

function openLibrary(): Library | null {
  try {
    const part = join('@node-llama-cpp', 'linux-x64', 'bins', 'linux-x64', 'libggml-base.so')
    const file = require.resolve.paths('koffi')?.map((folder) => join(folder, part)).find(existsSync) // prettier-ignore
    if (file === undefined) return null
    return (require('koffi') as { load(path: string): Library }).load(file)
  } catch {
    return null
  }
}

const library = openLibrary()
export const hasGgml = library !== null
export const skipReason =
  "llama.cpp's library is not installed on this platform (npm package @node-llama-cpp/linux-x64)"
if (!hasGgml) process.stderr.write(`skipped: ${skipReason}\n`)

const known = new Map<string, (...args: unknown[]) => unknown>()
function call(signature: string, ...args: unknown[]): void {
  const routine = known.get(signature) ?? library?.func(signature)
  if (routine === undefined) throw new Error(skipReason)
  known.set(signature, routine)
  routine(...args)
}

/** Types whose encoder refuses to work without weights. */
const needsWeights: readonly GgmlType[] = ['IQ1_S', 'IQ1_M', 'IQ2_XXS', 'IQ2_XS', 'IQ2_S']

export function ggmlQuantize(
  type: GgmlType,
  weights: Float32Array,
  cols: number,
  importance?: Float32Array,
): Uint8Array {
  const rows = weights.length / cols
  const blocks = new Uint8Array(rows * rowBytes(type, cols))
  const ones = needsWeights.includes(type) ? new Float32Array(cols).fill(1) : null
  const signature =
    'size_t ggml_quantize_chunk(int type, const float *src, void *dst, int64_t start, int64_t nrows, int64_t n_per_row, const float *imatrix)'
  call(signature, ggmlTypes[type].id, weights, blocks, 0, rows, cols, importance ?? ones)
  return blocks
}

const routineNames: Partial<Record<GgmlType, string>> = { F16: 'ggml_fp16_to_fp32_row', BF16: 'ggml_bf16_to_fp32_row' }
const lower = (type: GgmlType) => type.toLowerCase().replace('_k', '_K')

export function ggmlDequantize(type: GgmlType, blocks: Uint8Array): Float32Array {
  const { blockBytes, blockSize } = ggmlTypes[type]
  const out = new Float32Array((blocks.length / blockBytes) * blockSize)
  const name = routineNames[type] ?? `dequantize_row_${lower(type)}`
  call(`void ${name}(const void *x, float *y, int64_t k)`, blocks, out, out.length)
  return out
}
