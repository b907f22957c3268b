// Importance of the tokens of one batch, as weights of rows: r^2, since the loss is |(W - Q) X R|^2 and so the Hessian
// X R^2 X^T (RSQ, section 3.2).
import { z } from 'zod'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Batch } from '../../data/types.ts'
import type { TokenWeighting } from '../../quantize/define.ts'
import type { TensorValue } from '../../runtime/types.ts'
import type { RowWeights } from '../rows.ts'
import { concentration, isCausal } from './concentration.ts'
import type { Sequence, TokenStrategy } from './define.ts'
import { tokenStrategies } from './registry.ts'

/** Faults 'bad-arguments' for an unknown strategy and for parameters that do not fit its schema. */
export function strategyOf({ strategy, parameters }: TokenWeighting): TokenStrategy {
  const found = tokenStrategies.find(({ id }) => id === strategy)
  if (!found)
    throw new Fault('bad-arguments', `There is no token strategy "${strategy}".`, {
      hint: `Known: ${tokenStrategies.map(({ id }) => id).join(', ')}.`,
      data: { field: 'strategy', found: strategy },
    })
  const parsed = found.params.safeParse(parameters)
  if (parsed.success) return found
  throw new Fault('bad-arguments', `Token strategy ${strategy}: ${z.prettifyError(parsed.error)}`)
}

/** What a block shows of a batch; null where it cannot be seen. */
export interface BlockView {
  input: TensorValue | null // [samples * tokens, width] or [samples, tokens, width]
  output: TensorValue | null
  attention: TensorValue[] // [samples, heads, queries, keys] or [samples * heads, queries, keys]
}

/** Weights of the batch's rows, fillings 0; null where the strategy needs what cannot be had. */
export function weighTokens(
  weighting: TokenWeighting,
  batch: Batch,
  real: RowWeights,
  view: BlockView,
  counts: ReadonlyMap<number, number>,
): RowWeights | null {
  const strategy = strategyOf(weighting)
  const ids = idsOf(batch)
  const length = lengthOf(real, view)
  const { samples } = real
  if (length === null) return null
  const heads = view.attention.map(({ dims }) => headsOf(dims, samples, length))
  const has = {
    ids: ids?.length === samples * length,
    input: isRows(view.input, samples * length),
    output: isRows(view.output, samples * length) && view.output?.data.length === view.input?.data.length,
    attention: heads.length > 0 && !heads.includes(null),
  }
  if (!strategy.needs.every((need) => has[need])) return null
  const weights = new Float32Array(samples * length)
  for (let sample = 0; sample < samples; sample++) {
    const mask = maskOf(real, sample, length)
    const kept = [...mask.keys()].filter((token) => mask[token] !== 0)
    const take = (value: TensorValue | null): Float32Array | null => {
      if (!(value?.data instanceof Float32Array)) return null
      const width = value.data.length / (samples * length)
      const rows = new Float32Array(kept.length * width)
      kept.forEach((token, i) => {
        const from = (sample * length + token) * width
        rows.set((value.data as Float32Array).subarray(from, from + width), i * width)
      })
      return rows
    }
    const received = new Float64Array(length)
    let causal = true
    if (strategy.needs.includes('attention'))
      view.attention.forEach(({ data }, i) => {
        const count = heads[i] ?? 0
        const size = count * length * length
        const own = (data as Float32Array).subarray(sample * size, (sample + 1) * size)
        causal &&= isCausal(own, count, length)
        concentration(own, count, length, mask).forEach(
          (sum, token) => (received[token] = (received[token] ?? 0) + sum),
        )
      })
    const sequence: Sequence = {
      tokens: kept.length,
      ids: ids && has.ids ? Int32Array.from(kept, (token) => ids[sample * length + token] ?? 0) : null,
      input: has.input ? take(view.input) : null,
      output: has.output ? take(view.output) : null,
      attention: Float64Array.from(kept, (token) => received[token] ?? 0),
      seenBy: Float64Array.from(kept, (_, at) => (causal ? kept.length - at : kept.length)),
      counts,
    }
    strategy
      .apply(sequence, weighting.parameters as never)
      .forEach((r, i) => (weights[sample * length + (kept[i] ?? 0)] = r * r))
  }
  return { rows: samples * length, samples, weights }
}

/** Token numbers of a batch, row after row. */
export function idsOf({ feeds }: Batch): Int32Array | null {
  const ids = feeds.input_ids ?? Object.values(feeds).find(({ dims, dtype }) => dims.length === 2 && /^int/.test(dtype))
  return ids ? Int32Array.from(ids.data as ArrayLike<number | bigint>, Number) : null
}

/** Tokens of a sample: those of its text, else those that attend to each other (patches of an image). */
function lengthOf({ rows, samples }: RowWeights, { attention, input }: BlockView): number | null {
  if (rows > samples) return rows / samples
  const [first] = attention
  const keys = first?.dims.at(-1)
  if (keys !== undefined) return keys
  const { dims = [] } = input ?? {}
  return dims.length === 3 && dims[0] === samples ? (dims[1] ?? null) : null
}

function headsOf(dims: readonly number[], samples: number, length: number): number | null {
  const [queries, keys] = dims.slice(-2)
  if (queries !== length || keys !== length) return null
  if (dims.length === 4 && dims[0] === samples) return dims[1] ?? null
  const heads = (dims[0] ?? 0) / samples
  return dims.length === 3 && Number.isInteger(heads) ? heads : null
}

const isRows = (value: TensorValue | null, rows: number): boolean =>
  value?.data instanceof Float32Array &&
  value.data.length % rows === 0 &&
  value.dims.slice(0, -1).reduce((a, b) => a * b, 1) === rows

function maskOf({ rows, samples, weights }: RowWeights, sample: number, length: number): Float32Array {
  if (weights === null) return new Float32Array(length).fill(1)
  if (rows === samples * length) return weights.subarray(sample * length, (sample + 1) * length)
  return new Float32Array(length).fill(weights[sample] ?? 0) // images: idle samples only
}
