import { compactFloats, expandFloats } from '../kernels/sparse/sparse.ts'
import type { CodedMatrix } from '../quantize/codings/define.ts'
import type { QuantizeContext } from '../quantize/define.ts'
import { quantizeToGrid } from '../quantize/grid.ts'
import { rowsOf } from '../quantize/rows.ts'
import { encodeSparse } from '../quantize/sparse/encode.ts'
import type { SparseShape } from '../quantize/sparse/forms.ts'
import { onesIn } from '../quantize/sparse/places.ts'

/** Weights [rows, cols] under a mask, as floats or to the nearest of a grid whose range is searched for the least error
 *  (weighted by importance, where there is any). */
export function storeMasked(
  weights: Float32Array,
  mask: Uint8Array,
  shape: Omit<SparseShape, 'kept'>,
  size: { rows: number; cols: number; unit: number },
  context: QuantizeContext,
): CodedMatrix {
  const { width, groupSize } = shape
  const { rows, cols } = size
  const own = { ...shape, kept: onesIn(mask) }
  if (width > 8) return encodeSparse({ values: weights }, mask, own, size)
  // Entries that are left out are 0 and fall on the grid's 0, which is exact: they do not weigh on its choice.
  const data = expandFloats(compactFloats(weights, mask), mask)
  const granularity = groupSize === 0 || groupSize >= cols ? ('channel' as const) : ('group' as const)
  const grid = { bits: width, symmetric: true, granularity, groupSize: groupSize || cols, search: 'mse' as const }
  const { codes, scales } = quantizeToGrid(rowsOf({ data, rows, cols }), grid, context)
  return encodeSparse({ codes, scales }, mask, own, size)
}
