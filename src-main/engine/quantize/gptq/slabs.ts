// Layers by row slabs: rows do not see each other, so a slab is all that is in memory besides the Hessian and the result.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Hessian } from '../../kernels/linear/types.ts'
import { transposeInto } from '../../kernels/linear/transpose.ts'
import { sharedFloats } from '../../kernels/pool.ts'
import type { QuantizeContext } from '../define.ts'
import { notFinite, type WeightRows } from '../rows.ts'

const SLAB_WEIGHTS = 1 << 24

export interface Slab {
  begin: number // first row
  rows: number
}

/** Rows [begin, end) in slabs of much the same size. */
export function slabsOf(begin: number, end: number, cols: number): Slab[] {
  const most = Math.max(1, Math.floor(SLAB_WEIGHTS / Math.max(1, cols)))
  const count = Math.ceil((end - begin) / most)
  const rows = Math.ceil((end - begin) / Math.max(1, count))
  return Array.from({ length: count }, (_, i) => ({
    begin: begin + i * rows,
    rows: Math.min(rows, end - begin - i * rows),
  }))
}

/** A slab column by column, [cols, rows]. Faults on the first weight that is not finite. */
export function readColumns(source: WeightRows, { begin, rows }: Slab, layer: string): Float32Array {
  const { cols } = source
  const weights = source.read(begin, begin + rows)
  let sum = 0
  for (let i = 0; i < weights.length; i++) sum += (weights[i] ?? 0) * 0
  if (sum !== 0) {
    const bad = weights.findIndex((weight) => !Number.isFinite(weight))
    throw notFinite(layer, source, begin * cols + bad)
  }
  const columns = sharedFloats(rows * cols)
  transposeInto(weights, { rows, cols, stride: cols }, columns, { outStride: rows })
  return columns
}

/** The layer's Hessians, each with the rows it belongs to. Faults where there are none or they do not fit. */
export function hessiansOf(
  { rows, cols }: WeightRows,
  { hessians, layer }: QuantizeContext,
  method: string,
): { hessian: Hessian; begin: number; end: number }[] {
  if (!hessians || hessians.length === 0)
    throw new Fault('bad-arguments', `Layer ${layer}: ${method} needs calibration data, and there is none.`, {
      hint: 'Give calibration data, or choose a method that needs weights only.',
      data: { tensor: layer },
    })
  const share = rows / hessians.length
  const other = hessians.find(({ size }) => size !== cols)
  if (other || !Number.isInteger(share))
    throw new Fault(
      'bad-arguments',
      `Layer ${layer}: ${hessians.length} Hessians do not fit ${rows} x ${cols} weights.`,
      {
        data: { tensor: layer, expected: `${cols} inputs each`, found: `${other?.size ?? cols} inputs` },
      },
    )
  return hessians.map((hessian, group) => ({ hessian, begin: group * share, end: (group + 1) * share }))
}
