import { availableParallelism } from 'node:os'
import { gridsBlock } from '../kernels/grids.ts'
import type { GridsRows } from '../kernels/grids-job.ts'
import { sharedBytes, sharedFloats } from '../kernels/pool.ts'
import type { QuantizeContext } from './define.ts'
import { eachBlock, notFinite, rowsPerBlock, type WeightRows } from './rows.ts'

const SHARE_FROM_WEIGHTS = 1 << 16 // smaller blocks are done before a thread wakes up

export interface SearchedGrids {
  codes: Uint8Array // [rows, cols]
  scales: Float32Array // [rows, groups]
  zeros: Uint8Array // [rows, groups]
}

/** Searches every group of a layer, block by block; `grids` holds what the search starts from, and its result. Faults on
 *  weights that are not finite. */
export function searchGrids(
  source: WeightRows,
  settings: GridsRows['settings'],
  groupSize: number,
  grids: SearchedGrids,
  context: QuantizeContext,
): void {
  const { rows, cols } = source
  const groups = Math.ceil(cols / groupSize)
  const importance = context.importance ?? new Float32Array(cols).fill(1)
  const blockRows = Math.min(rows, rowsPerBlock(cols))
  const threads = blockRows * cols < SHARE_FROM_WEIGHTS ? 1 : (context.threads ?? availableParallelism())
  const shared =
    threads > 1
      ? {
          weights: sharedFloats(blockRows * cols),
          codes: sharedBytes(blockRows * cols),
          scales: sharedFloats(blockRows * groups),
          zeros: sharedBytes(blockRows * groups),
        }
      : null
  eachBlock(source, (weights, begin, end) => {
    const own = {
      codes: grids.codes.subarray(begin * cols, end * cols),
      scales: grids.scales.subarray(begin * groups, end * groups),
      zeros: grids.zeros.subarray(begin * groups, end * groups),
    }
    shared?.weights.set(weights)
    shared?.scales.set(own.scales)
    shared?.zeros.set(own.zeros)
    const block = { rows: end - begin, cols, groupSize, importance, settings, ...(shared ?? { weights, ...own }) }
    const bad = gridsBlock(block, threads)
    if (bad >= 0) throw notFinite(context.layer, source, begin * cols + bad)
    if (shared) for (const part of ['codes', 'scales', 'zeros'] as const) own[part].set(shared[part].subarray(0, own[part].length)) // prettier-ignore
    context.progress?.(end / rows)
  })
}
