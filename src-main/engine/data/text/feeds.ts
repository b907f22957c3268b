import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Network } from '../../checkpoint/network.ts'
import type { ValueInfo } from '../../graph/ir.ts'
import type { TensorValue } from '../../runtime/types.ts'

/** How token rows become all inputs of a language model's graph. */
export interface TextFeeds {
  batch: number | null // fixed sizes of the graph's token input
  time: number | null
  /** `lengths`: tokens of each row, where an attention mask must leave out the rest. */
  make: (tokens: BigInt64Array, rows: number, time: number, lengths?: readonly number[]) => Record<string, TensorValue>
}

type Fill = (rows: number, time: number) => number[] | BigInt64Array

const whole = (dtype: ValueInfo['dtype'], data: BigInt64Array): TensorValue['data'] =>
  dtype === 'int32' ? Int32Array.from(data, Number) : data

const positions: Fill = (rows, time) => Array.from({ length: rows * time }, (_, index) => index % time)
const ones: Fill = (rows, time) => Array.from({ length: rows * time }, () => 1)
const zeros: Fill = (rows, time) => Array.from({ length: rows * time }, () => 0)
const present =
  (lengths: readonly number[]): Fill =>
  (rows, time) =>
    Array.from({ length: rows * time }, (_, index) => (index % time < (lengths[Math.floor(index / time)] ?? 0) ? 1 : 0))
const companions = new Map<string, Fill>([
  ['attention_mask', ones],
  ['position_ids', positions],
  ['token_type_ids', zeros],
])

/** Keys and values of an empty past: the one unknown size beside the batch is zero. */
function emptyPast(input: ValueInfo, rows: number): TensorValue {
  const dims = (input.shape ?? []).map((dim, index) => (index === 0 ? rows : typeof dim === 'number' ? dim : 0))
  const dtype = input.dtype
  return { dtype, dims, data: dtype === 'float16' ? new Uint16Array(0) : new Float32Array(0) }
}

const fixed = (input: ValueInfo, axis: number): number | null => {
  const dim = input.shape?.[axis]
  return typeof dim === 'number' ? dim : null
}

/** Finds the token input and the common companions around it. Faults 'unsupported' on an input nobody can fill. */
export function textFeeds(network: Network): TextFeeds {
  const refuse = (what: string) =>
    new Fault('unsupported', `${network.path}: text cannot be fed to this network: ${what}`, {
      hint: 'Text needs a language model; use kind "image-classification" or "noise" for others.',
      data: { file: network.path },
    })
  if (!network.graph) throw refuse('it has tensors only, no graph')
  const { inputs } = network.graph
  const isWhole = (input: ValueInfo) => input.dtype === 'int64' || input.dtype === 'int32'
  const ids = inputs.find((input) => input.name === 'input_ids') ?? (inputs.length === 1 ? inputs[0] : undefined)
  if (!ids || !isWhole(ids) || (ids.shape !== null && ids.shape.length !== 2))
    throw refuse('it has no input of token numbers [batch, time]')
  const others = inputs.filter((input) => input !== ids)
  for (const input of others) {
    const known = (companions.has(input.name) && isWhole(input)) || /^past_key_values\b/.test(input.name)
    if (!known) throw refuse(`nothing is known about its input "${input.name}"`)
  }
  return {
    batch: fixed(ids, 0),
    time: fixed(ids, 1),
    make(tokens, rows, time, lengths) {
      const feeds: Record<string, TensorValue> = {
        [ids.name]: { dtype: ids.dtype, dims: [rows, time], data: whole(ids.dtype, tokens) },
      }
      for (const input of others) {
        const fill = input.name === 'attention_mask' && lengths ? present(lengths) : companions.get(input.name)
        const data = fill && BigInt64Array.from(fill(rows, time) as number[], (value) => BigInt(value))
        feeds[input.name] = data
          ? { dtype: input.dtype, dims: [rows, time], data: whole(input.dtype, data) }
          : emptyPast(input, rows)
      }
      return feeds
    },
  }
}
