import { availableParallelism } from 'node:os'
import { effortOf, type GridSettings, noSearch } from '../kernels/search.ts'
import { quantizeStaged } from '../kernels/staged.ts'
import type { QuantizeContext } from './define.ts'
import { eachBlock, notFinite, rowsPerBlock, type WeightRows } from './rows.ts'
import { quantizeTensor } from './tensor.ts'
import type { Granularity, QuantizedMatrix } from './types.ts'

export interface GridParameters {
  bits: number
  symmetric: boolean
  granularity: Granularity
  groupSize: number // for 'group' only
  search: 'none' | 'mse'
}

const SHARE_FROM_WEIGHTS = 1 << 16 // smaller blocks are done before a thread wakes up
const HALF_MIN_NORMAL = 2 ** -14
const HALF_MAX = 65504

/** Chooses a grid for every group and rounds to it. Scales are float16 unless the whole layer lies outside its range:
 *  then the coarsest group would lose precision, and they are float32. (A group far below the coarsest one adds less
 *  error with a subnormal scale than the coarsest has anyway.) */
export function quantizeToGrid(source: WeightRows, p: GridParameters, context: QuantizeContext): QuantizedMatrix {
  const importance = context.importance ?? new Float32Array(source.cols).fill(1)
  const run = (scaleType: 'float16' | 'float32') => {
    const effort = p.search === 'none' ? noSearch : effortOf(p.bits, p.symmetric)
    const settings = { bits: p.bits, symmetric: p.symmetric, scaleType, effort }
    if (p.granularity === 'tensor') return quantizeTensor(source, settings, importance, context)
    return quantizeGroups(source, settings, p, importance, context)
  }
  const half = run('float16')
  const coarsest = settle(half.scales)
  if (coarsest === 0 || (coarsest >= HALF_MIN_NORMAL && coarsest < HALF_MAX)) return half
  const single = run('float32')
  settle(single.scales)
  return single
}

/** Groups of zeros get a scale of 1: any gives zeros. Returns the largest of the others, 0 where there is none. */
function settle(scales: Float32Array): number {
  let coarsest = 0
  for (let i = 0; i < scales.length; i++) {
    const size = Math.abs(scales[i] ?? 0)
    if (size === 0) scales[i] = 1
    else if (size > coarsest) coarsest = size
  }
  return coarsest
}

function quantizeGroups(
  source: WeightRows,
  settings: GridSettings,
  p: GridParameters,
  importance: Float32Array,
  context: QuantizeContext,
): QuantizedMatrix {
  const { rows, cols } = source
  const groupSize = p.granularity === 'channel' ? cols : Math.min(p.groupSize, cols)
  const groups = Math.ceil(cols / groupSize)
  const codes = new Uint8Array(rows * cols)
  const scales = new Float32Array(rows * groups)
  const zeros = new Uint8Array(rows * groups)

  const blockRows = Math.min(rows, rowsPerBlock(cols))
  const threads = blockRows * cols < SHARE_FROM_WEIGHTS ? 1 : (context.threads ?? availableParallelism())
  eachBlock(source, (weights, begin, end) => {
    const target = {
      codes: codes.subarray(begin * cols, end * cols),
      scales: scales.subarray(begin * groups, end * groups),
      zeros: zeros.subarray(begin * groups, end * groups),
    }
    const block = { rows: end - begin, cols, groupSize, importance, weights, ...target }
    const bad = quantizeStaged(settings, block, threads)
    if (bad >= 0) throw notFinite(context.layer, source, begin * cols + bad)
    context.progress?.(end / rows)
  })
  const { bits, symmetric, scaleType } = settings
  const { granularity } = p
  return { rows, cols, bits, symmetric, granularity, groupSize, groups, scaleType, codes, scales, zeros }
}
