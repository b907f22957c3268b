import { rowScales } from '../../kernels/vectors/pvq.ts'
import type { QuantizeContext } from '../define.ts'
import { eachBlock, notFinite, type WeightRows } from '../rows.ts'

/** All weights in units of a power of two, so that scales fit float16 whatever the layer's size: the largest row's root
 *  mean square lies in [1, 2). Faults on what is not finite. */
export function readInUnits(source: WeightRows, { layer }: Pick<QuantizeContext, 'layer'>) {
  const { rows, cols } = source
  const weights = new Float32Array(rows * cols)
  eachBlock(source, (block, begin) => weights.set(block, begin * cols))
  const { scales, bad } = rowScales(weights, rows, cols)
  if (bad >= 0) throw notFinite(layer, source, bad)
  const largest = scales.reduce((most, scale) => Math.max(most, scale), 0)
  const unit = largest === 0 ? 1 : 2 ** Math.floor(Math.log2(largest))
  return { weights: unit === 1 ? weights : weights.map((w) => w / unit), scales: scales.map((s) => s / unit), unit }
}
