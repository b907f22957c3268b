import type { CodedMatrix } from '../quantize/codings/define.ts'
import { factorTypeOf, lowRankForm } from '../quantize/codings/low-rank.ts'
import type { QuantizeContext } from '../quantize/define.ts'
import type { WeightRows } from '../quantize/rows.ts'
import { factorParts, factorsOn } from '../quantize/sidecar/factors.ts'
import { readInUnits } from '../quantize/sidecar/read.ts'
import { type Metric, strongestOutputs } from './basis.ts'
import { rankOf, type RankParameters } from './parameters.ts'

/** The factors of a layer, nearest to it in a metric of its inputs, as they are stored. */
export async function factorise(
  source: WeightRows,
  parameters: RankParameters,
  metric: Metric,
  context: QuantizeContext,
): Promise<CodedMatrix> {
  const { rows, cols } = source
  const { weights, unit } = readInUnits(source, context)
  const width = parameters.width ?? 16
  const shape = { rows, cols, rank: rankOf(parameters, source), type: factorTypeOf(width) }
  const basis = await strongestOutputs(weights, shape, metric, context)
  context.progress?.(0.8)
  const factors = await factorsOn(basis, weights, shape, context)
  return { ...lowRankForm({ rank: shape.rank, width }, source), parts: factorParts(factors, shape, unit) }
}
