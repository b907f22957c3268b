// What sparsifiers are asked for, and what they offer.
import { z } from 'zod'
import type { Option } from '../../../src-preload/contract/plan.ts'
import type { Layer } from '../checkpoint/network.ts'
import { codedFormBytes } from '../quantize/codings/define.ts'
import { sparseCoding } from '../quantize/codings/sparse.ts'
import { neighboursOf, type Pattern, patterns } from '../quantize/sparse/forms.ts'

const widths = [2, 3, 4, 5, 6, 7, 8, 16, 32] as const

export const sparseParameters = {
  pattern: z
    .enum(patterns)
    .optional()
    .describe(
      'unstructured: any weight; n:m: n of every m neighbours stay; columns: whole inputs go. Absent: all are offered',
    ),
  sparsity: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Share of weights that become zero (of n:m the pattern says it). Absent: a ladder is offered'),
  width: z
    .literal(widths)
    .optional()
    .describe('Bits of the weights that stay: 2 to 8 on a grid, 16 or 32 as floats. Absent: 16, 8 and 4 are offered'),
  groupSize: z
    .int()
    .min(0)
    .optional()
    .describe(
      'Columns that share the scale of a grid, kept or not; 0: one scale a row. Absent: as the sparsity wants it',
    ),
  unit: z
    .int()
    .positive()
    .default(1)
    .describe('Pattern columns: columns that go together (a channel of a convolution)'),
}
export type SparseParameters = z.output<z.ZodObject<typeof sparseParameters>>

/** Who is compared with whom when weights are left out. */
export const perParameter = (per: 'row' | 'layer') =>
  z.enum(['row', 'layer']).default(per).describe('Weights compete within a row (an output), or within the layer')

const shares: Record<string, readonly number[]> = {
  unstructured: [0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95],
  columns: [0.1, 0.25, 0.5],
}
const offeredPatterns: readonly Pattern[] = ['unstructured', '2:4', '4:8', 'columns']
const offeredWidths = [16, 8, 4] as const

const LARGE_ROWS = 1024 // weights per output of a convolution from which groups pay; see quantize/options.ts
const KEPT_PER_SCALE = 64
const LEAST_SAVING = 0.05 // against the same values without zeros

/** Columns a scale: as many as hold 64 kept weights, in powers of two; 0 (the row) where that is most of it. */
export function groupSizeFor({ cols, op }: Pick<Layer, 'cols' | 'op'>, sparsity: number): number {
  if (op !== 'MatMul' && op !== 'Gemm' && op !== 'Gather' && cols < LARGE_ROWS) return 0
  const size = 2 ** Math.round(Math.log2(KEPT_PER_SCALE / Math.max(1 - sparsity, 1e-3)))
  return size * 2 > cols ? 0 : size
}

/** Columns that make up one input of the layer: the pixels under a kernel, of convolutions that are not in groups. */
export function unitOf({ op, shape, cols }: Pick<Layer, 'op' | 'shape' | 'cols'>): number | null {
  if (op !== 'Conv') return 1
  const unit = shape.slice(2).reduce((product, size) => product * size, 1)
  return cols === unit || (shape[1] ?? 0) * unit !== cols ? null : unit
}

/** Options of a method for a layer: all patterns, sparsities and widths, or those the parameters name. Sparsities are exact,
 *  bits count everything. Those that save next to nothing are left out. */
export function sparseOptions(
  method: string,
  layer: Layer,
  asked: SparseParameters,
  more: Option['parameters'] & { per?: 'row' | 'layer' },
): Option[] {
  const { rows, cols } = layer
  if (!layer.compressible || rows * cols === 0) return []
  const options: Option[] = []
  for (const pattern of asked.pattern ? [asked.pattern] : offeredPatterns) {
    const unit = pattern === 'columns' ? unitOf(layer) : 1
    const neighbours = neighboursOf(pattern)
    if (unit === null || (neighbours && cols % neighbours.m !== 0)) continue
    const wanted = neighbours
      ? [1 - neighbours.n / neighbours.m]
      : asked.sparsity === undefined
        ? (shares[pattern] ?? [])
        : [asked.sparsity]
    for (const share of wanted)
      for (const width of asked.width ? [asked.width] : offeredWidths) {
        const groupSize = width > 8 ? 0 : (asked.groupSize ?? groupSizeFor(layer, share))
        const option = {
          id: `${method}-${idOf(pattern, share)}-${width > 8 ? 'f' : 'w'}${width}`,
          method,
          bits: width,
          parameters: { ...more, pattern, sparsity: share, width, groupSize, unit },
        }
        const form = sparseCoding.form?.(option, layer)
        if (!form) continue
        const bits = (8 * codedFormBytes(form)) / (rows * cols)
        const sparsity = 1 - Number(form.settings.kept) / (rows * cols)
        if (sparsity <= 0 || sparsity >= 1 || bits > width * (1 - LEAST_SAVING)) continue
        options.push({ ...option, bits, parameters: { ...option.parameters, sparsity } })
      }
  }
  return options
}

const idOf = (pattern: Pattern, share: number): string => {
  const percent = Number((share * 100).toFixed(2))
  return pattern === 'unstructured' ? `${percent}` : pattern === 'columns' ? `columns-${percent}` : pattern
}

const halfway = { pattern: 'unstructured', sparsity: 0.5, width: 16 } as const

/** The parameters of one option, with what was left open filled in: unstructured, half of the weights, float16. */
export function settle<P extends SparseParameters & { per: 'row' | 'layer' }>(
  parameters: P,
  { cols }: { cols: number },
) {
  const { pattern = halfway.pattern, width = halfway.width, unit, per } = parameters
  const neighbours = neighboursOf(pattern)
  const sparsity = neighbours ? 1 - neighbours.n / neighbours.m : (parameters.sparsity ?? halfway.sparsity)
  const groupSize = width > 8 ? 0 : (parameters.groupSize ?? groupSizeFor({ cols, op: 'MatMul' }, sparsity))
  return { pattern, sparsity, width, groupSize, unit, per }
}
