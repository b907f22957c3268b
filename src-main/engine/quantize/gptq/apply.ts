import { inverseFactor } from '../../kernels/linear/factor.ts'
import {
  createGrid,
  feedGrid,
  type GridColumns,
  refineGrid,
  searchable,
  searchGrids,
} from '../../kernels/linear/columns.ts'
import { transposeInto } from '../../kernels/linear/transpose.ts'
import { ridged } from '../../kernels/linear/ridge.ts'
import type { Hessian, InverseFactor } from '../../kernels/linear/types.ts'
import { effortOf, noSearch } from '../../kernels/search.ts'
import type { QuantizeContext } from '../define.ts'
import type { WeightRows } from '../rows.ts'
import type { QuantizedMatrix } from '../types.ts'
import { hessiansOf, readColumns, slabsOf } from './slabs.ts'

export interface GptqParameters {
  bits: number
  granularity: 'channel' | 'group'
  groupSize: number
  symmetric: boolean
  search: 'none' | 'mse'
  damping: number
  ridge: boolean
  actOrder: boolean
  staticGroups: boolean
  sweeps: number
}

const HALF_MIN_NORMAL = 2 ** -14
const HALF_MAX = 65504

/** Rows [begin, end) of the layer and what their Hessian gives. */
export interface Prepared {
  hessian: Hessian
  begin: number
  end: number
  factor: InverseFactor
  order: Uint32Array | undefined
  importance: Float32Array // [cols] diag H
}

/** Codes for the least output error on the inputs that the Hessian saw. */
export async function quantizeWithFeedback(
  source: WeightRows,
  p: GptqParameters,
  context: QuantizeContext,
  method: string,
): Promise<QuantizedMatrix> {
  return quantizePrepared(source, p, context, await prepareParts(source, p, context, method))
}

/** Factors of the layer's Hessians. */
export async function prepareParts(
  source: WeightRows,
  p: GptqParameters,
  context: QuantizeContext,
  method: string,
): Promise<Prepared[]> {
  const prepared: Prepared[] = []
  for (const part of hessiansOf(source, context, method)) prepared.push(await prepare(part, p, context))
  return prepared
}

/** Scales are float16 unless the whole layer lies outside its range, as quantizeToGrid has it. */
export async function quantizePrepared(
  source: WeightRows,
  p: GptqParameters,
  context: QuantizeContext,
  prepared: readonly Prepared[],
): Promise<QuantizedMatrix> {
  const { rows, cols } = source
  const groupSize = p.granularity === 'channel' ? Math.max(1, cols) : Math.min(p.groupSize, Math.max(1, cols))
  const groups = Math.ceil(cols / groupSize)
  const run = async (scaleType: 'float16' | 'float32'): Promise<QuantizedMatrix> => {
    const { bits, symmetric, granularity } = p
    const effort = p.search === 'none' ? noSearch : effortOf(bits, symmetric)
    const settings = { bits, symmetric, scaleType, effort }
    const codes = new Uint8Array(rows * cols)
    const scales = new Float32Array(rows * groups)
    const zeros = new Uint8Array(rows * groups)
    for (const part of prepared)
      for (const slab of slabsOf(part.begin, part.end, cols)) {
        const weights = readColumns(source, slab, context.layer)
        const grid = createGrid({ rows: slab.rows, cols, groupSize, settings })
        const progress = (fraction: number) => context.progress?.((slab.begin + fraction * slab.rows) / rows)
        await chooseCodes(grid, { ...part, weights }, p, { ...context, progress })
        turn(grid.codes, slab.rows, cols, codes.subarray(slab.begin * cols))
        const byGroup = { rows: groups, cols: slab.rows, stride: slab.rows }
        transposeInto(grid.scales, byGroup, scales, { outStride: groups, outAt: slab.begin * groups })
        turn(Uint8Array.from(grid.zeros), slab.rows, groups, zeros.subarray(slab.begin * groups))
      }
    return { rows, cols, bits, symmetric, granularity, groupSize, groups, scaleType, codes, scales, zeros }
  }
  const half = await run('float16')
  return fitsHalf(half) ? half : run('float32')
}

async function prepare(
  part: { hessian: Hessian; begin: number; end: number },
  { damping, ridge, actOrder }: GptqParameters,
  { layer, device, threads, notify }: QuantizeContext,
): Promise<Prepared> {
  const hessian = ridge ? ridged(part.hessian) : part.hessian
  const { size, data } = hessian
  const importance = Float32Array.from({ length: size }, (_, i) => data[i * (size + 1)] ?? 0)
  const places = Uint32Array.from({ length: size }, (_, i) => i)
  const order = actOrder ? places.sort((a, b) => (importance[b] ?? 0) - (importance[a] ?? 0) || a - b) : undefined
  const factor = await inverseFactor(hessian, { damping, order, layer, device, threads, notify })
  return { ...part, hessian, factor, order, importance }
}

async function chooseCodes(
  grid: GridColumns,
  { hessian, factor, order, importance, weights }: Prepared & { weights: Float32Array },
  p: GptqParameters,
  { device, threads, notify, progress }: QuantizeContext,
): Promise<void> {
  // In another order than that of columns a group is not complete until the end: its grid is chosen before.
  const search = !p.staticGroups && order === undefined && searchable(grid.groupSize)
  if (!search) searchGrids(grid, weights, importance, threads)
  const share = 1 / (1 + p.sweeps)
  const step = (done: number) => ({ device, threads, notify, progress: (f: number) => progress?.((done + f) * share) })
  await feedGrid(grid, { weights, factor, order, importance, search }, step(0))
  const refit = p.search === 'mse'
  await refineGrid(
    grid,
    { weights, hessian, sweeps: p.sweeps, refit },
    {
      device,
      threads,
      progress: (fraction) => progress?.(share + fraction * (1 - share)),
    },
  )
}

function fitsHalf({ scales, codes, zeros, groups, groupSize, cols }: QuantizedMatrix): boolean {
  let coarsest = 0
  scales.forEach((scale, i) => {
    // A group of zeros has scale 1 and nothing but its zero point.
    const at = Math.floor(i / groups) * cols + (i % groups) * groupSize
    const length = Math.min(groupSize, cols - (i % groups) * groupSize)
    if (scale !== 1 || codes.subarray(at, at + length).some((code) => code !== zeros[i]))
      coarsest = Math.max(coarsest, Math.abs(scale))
  })
  return coarsest === 0 || (coarsest >= HALF_MIN_NORMAL && coarsest < HALF_MAX)
}

/** [cols, rows] to [rows, cols], by tiles that stay in the cache. */
function turn(from: Uint8Array, rows: number, cols: number, to: Uint8Array): void {
  const tile = 64
  for (let row = 0; row < rows; row += tile)
    for (let col = 0; col < cols; col += tile)
      for (let r = row; r < Math.min(row + tile, rows); r++)
        for (let c = col; c < Math.min(col + tile, cols); c++) to[r * cols + c] = from[c * rows + r] ?? 0
}
