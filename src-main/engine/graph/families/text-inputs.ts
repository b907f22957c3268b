// The inputs of a text encoder: token numbers, which of them are there, and of which segment they are.
import { int, type ValueInfo } from '../ir.ts'
import type { GraphBuilder } from './builder.ts'

/** [batch, time] of whole numbers, named as exporters name them. */
export const tokenInput = (name: string, batch = 'batch', time = 'time'): ValueInfo => ({
  name,
  dtype: 'int64',
  shape: [batch, time],
})

const hidden = -1e9 // far below any score, and finite: every provider adds it the same way

/** 0 where attention_mask [batch, time] has a token, -1e9 elsewhere. */
export const outsideMask = (b: GraphBuilder): string =>
  b.once('attention_mask.outside', (name) => {
    const zero = b.once('mask.none', (constant) => b.integers(constant, [0], []))
    const absent = b.op('Equal', ['attention_mask', zero], 'attention_mask.absent')
    return b.op('Where', [absent, b.scalar('mask.hidden', hidden), b.scalar('mask.visible', 0)], name)
  })

/** The same, to be added to scores [batch, heads, time, time]: keys that are not there are not seen. */
export const keyMask = (b: GraphBuilder): string =>
  b.once('attention_mask.keys', (name) =>
    b.op('Unsqueeze', [outsideMask(b), b.integers('attention_mask.axes', [1, 2])], name),
  )

/** int64 [2]: batch and time of input_ids. */
export const batchTime = (b: GraphBuilder): string => b.once('batch_time', (name) => b.op('Shape', ['input_ids'], name))

/** Shape [batch, time, ...rest] for a Reshape. */
export const shapedAs = (b: GraphBuilder, name: string, rest: number[]): string =>
  b.once(name, (output) => b.op('Concat', [batchTime(b), b.integers(`${name}.rest`, rest)], output, { axis: int(0) }))

/** Scalar int64: tokens of a window. */
const timeLength = (b: GraphBuilder): string =>
  b.once('time_length', (name) =>
    b.op('Gather', [batchTime(b), b.integers('time_index', [1], [])], name, { axis: int(0) }),
  )

/** int64 [time]: 0, 1, 2 ... */
export const counting = (b: GraphBuilder): string =>
  b.once('positions', (name) => {
    const [first, step] = [b.integers('positions.first', [0], []), b.integers('positions.step', [1], [])]
    return b.op('Range', [first, timeLength(b), step], name)
  })

/** To be added to scores [batch, heads, time, time]: no token sees what comes after it. */
export const causalMask = (b: GraphBuilder): string =>
  b.once('later.mask', (name) => {
    const place = (axis: number) =>
      b.op('Unsqueeze', [counting(b), b.integers(`later.axis.${axis}`, [axis])], `later.places.${axis}`)
    const isLater = b.op('Greater', [place(0), place(1)], 'later')
    return b.op('Where', [isLater, b.scalar('mask.hidden', hidden), b.scalar('mask.visible', 0)], name)
  })

/** int64 [batch, time]: as in Liu et al. 2019, "RoBERTa" (fairseq): tokens that are not padding count from
 *  `padding` + 1 on, padding stays at `padding`. */
export function countingPast(b: GraphBuilder, padding: number): string {
  const pad = b.integers('padding_token', [padding], [])
  const isPad = b.op('Equal', ['input_ids', pad], 'tokens.padding')
  const present = b.op('Cast', [b.op('Not', [isPad], 'tokens.present')], 'tokens.counted', { to: int(7) })
  const sum = b.op('CumSum', [present, b.integers('tokens.axis', [1], [])], 'tokens.sum')
  return b.op('Add', [b.op('Mul', [sum, present], 'tokens.numbers'), pad], 'positions')
}
