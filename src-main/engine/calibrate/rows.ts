// Which rows of a batch are real, and how much each counts.
import type { Network } from '../checkpoint/network.ts'
import type { Batch } from '../data/types.ts'

/** Weights of the rows of one batch, sample after sample. */
export interface RowWeights {
  rows: number // samples, or samples * tokens
  samples: number // idle ones included
  weights: Float32Array | null // [rows]; null: all 1
}

/** Rows that fill up short windows and idle samples of a fixed batch count nothing. */
export function realRows(network: Pick<Network, 'task'>, batch: Batch): RowWeights {
  const inputs = Object.values(batch.feeds)
  const samples = inputs[0]?.dims[0] ?? batch.size
  const tokens = inputs.find(({ dims, dtype }) => dims.length === 2 && /^int(32|64)$/.test(dtype))
  const rows = tokens ? samples * (tokens.dims[1] ?? 1) : samples
  const perSample = rows / samples
  const mask = batch.feeds.attention_mask
  const scored = network.task === 'causal-lm' && batch.targets?.length === rows ? batch.targets : null
  const weights = new Float32Array(rows)
  let all = true
  for (let row = 0; row < rows; row++) {
    const real =
      row < batch.size * perSample &&
      (mask?.data.length !== rows || Number(mask.data[row]) !== 0) &&
      (scored === null || scored[row] !== -1)
    weights[row] = real ? 1 : 0
    all &&= real
  }
  return { rows, samples, weights: all ? null : weights }
}

/** Weight of each row of an activation that has `count` rows: those of all tokens in order, several to a sample (patches of
 *  an image), or one (a pooled token). `picked`: rows chosen from all tokens. */
export function weightsFor(
  { rows, weights }: RowWeights,
  count: number,
  picked: ArrayLike<bigint | number> | null,
): Float32Array | null {
  if (weights === null) return null
  if (picked === null && count === rows) return weights
  const own = new Float32Array(count)
  for (let row = 0; row < count; row++) {
    const from = picked === null ? Math.floor((row * rows) / count) : Number(picked[row] ?? 0)
    own[row] = weights[from] ?? 0
  }
  return own
}
