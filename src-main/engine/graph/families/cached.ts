// A decoder that continues a text: new tokens behind a cache of keys and values. Inputs and outputs are named as
// generators that run exported decoders feed and read them (optimum's exporter, @huggingface/transformers):
//   input_ids, position_ids [batch, time], attention_mask [batch, past + time], all int64
//   past_key_values.<block>.key / .value -> present.<block>.key / .value  [batch, keyHeads, past (+ time), size], float32
// The first dimension must be called 'batch_size': such programs size an empty cache by that name.
// A mask of 0 hides a token (padding on the left). Windows count places in the cache, as the published models do.
// Where the angles depend on the length of the text (longrope, dynamic), earlier keys must turn as it grows: they are kept
// unturned, and their positions follow from the mask. From the second block on what they are was still made under the
// shorter text; no cache can know better, and only a whole new window gives exactly what a whole window gives.
import { int, type ValueInfo } from '../ir.ts'
import type { GraphBuilder } from './builder.ts'
import { allTokens, buildMask, buildRotation, type Frame, maskName, outside, remembered } from './positions.ts'
import type { Rope } from './rope.ts'

export interface CachedFrame extends Frame {
  inputs: ValueInfo[]
  outputs: ValueInfo[]
}

export function cachedFrame(
  b: GraphBuilder,
  cache: { depth: number; keyHeads: number; headSize: number },
): CachedFrame {
  const blocks = Array.from({ length: cache.depth }, (_, block) => block)
  const whole = (name: string, time: string): ValueInfo => ({ name, dtype: 'int64', shape: ['batch_size', time] })
  const state = (name: string, length: string): ValueInfo => ({
    name,
    dtype: 'float32',
    shape: ['batch_size', cache.keyHeads, length, cache.headSize],
  })
  const past = 'past_sequence_length'
  const total = 'total_sequence_length'

  const shape = b.op('Shape', ['input_ids'], 'batch_time')
  const number = (input: string, name: string) => {
    const index = b.once('time_index', (index) => b.integers(index, [1], []))
    return b.op('Cast', [b.op('Gather', [input, index], `${name}.whole`)], name, { to: int(1) })
  }
  const end = number(b.op('Shape', ['attention_mask'], 'batch_total'), 'total')
  const begin = b.op('Sub', [end, number(shape, 'time')], 'past')
  const step = b.floats('one', [1], [])
  const queries = b.op('Range', [begin, end, step], 'places.new')
  const keys = b.op('Range', [b.floats('zero', [0], []), end, step], 'places.all')
  const second = b.integers('column_axis', [1])
  const column = b.op('Unsqueeze', [queries, second], 'places.column')
  const row = b.op('Unsqueeze', [keys, b.integers('row_axis', [0])], 'places.row')

  // [batch, time] -> [batch, 1, time, 1], as heads and features of a head stand around time
  const spread = (input: string, name: string) =>
    b.op('Unsqueeze', [input, b.once('around_time', (axes) => b.integers(axes, [1, 3]))], name)
  const floats = (input: string, name: string) => b.op('Cast', [input], name, { to: int(1) })
  const tokenColumn = remembered(() => spread(floats('position_ids', 'positions'), 'positions.column'))
  const keyColumn = remembered(() => {
    const counted = b.op('CumSum', [floats('attention_mask', 'mask.given'), second], 'positions.counted')
    return spread(b.op('Sub', [counted, step], 'positions.all'), 'positions.all.column')
  })
  // of each text in the batch, [batch, 1, 1, 1]
  const longest = remembered(() => {
    const last = b.op('ReduceMax', [tokenColumn(null), b.integers('time_axis', [2])], 'positions.last', {
      keepdims: int(1),
    })
    return b.op('Add', [last, step], 'lengths')
  })
  const rotation = remembered((rope: Rope) => {
    const turn = (label: string, column: string) => buildRotation(b, rope, label, { column, longest: longest(null) })
    const query = turn('rotation', tokenColumn(null))
    const late = rope.beyond !== null || rope.dynamic !== null
    return { query, key: late ? turn('rotation.keys', keyColumn(null)) : query, late }
  })
  return {
    inputs: [
      whole('input_ids', 'sequence_length'),
      whole('attention_mask', total),
      whole('position_ids', 'sequence_length'),
      ...blocks.flatMap((block) => [
        state(`past_key_values.${block}.key`, past),
        state(`past_key_values.${block}.value`, past),
      ]),
    ],
    outputs: blocks.flatMap((block) => [state(`present.${block}.key`, total), state(`present.${block}.value`, total)]),
    shape,
    positions: () => b.once('token_positions', (name) => b.op('Reshape', ['position_ids', allTokens(b)], name)),
    rotation,
    mask: remembered((window) => {
      const name = maskName(window)
      const padded = b.once('mask.padded', (padded) => {
        const none = b.integers('mask.none', [0], [])
        const axes = b.integers('around_batch', [1, 2])
        return b.op('Unsqueeze', [b.op('Equal', ['attention_mask', none], 'mask.padding'), axes], padded)
      })
      const unseen = b.op('Or', [outside(b, name, { column, row, window }), padded], `${name}.unseen`)
      return buildMask(b, name, unseen) // [batch, 1, time, total]
    }),
    recall(block, key, value) {
      const join = (kind: string, added: string) =>
        b.op('Concat', [`past_key_values.${block}.${kind}`, added], `present.${block}.${kind}`, { axis: int(2) })
      return { key: join('key', key), value: join('value', value) }
    },
  }
}
