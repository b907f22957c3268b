// Plain twin of `feedback` in assembly/ggml-feedback.ts: one row, one block, the same float32 operations in the same order.
import { type LaidOutType, layoutOf } from '../layout.ts'
import { packReference, unpackReference } from '../unpack.ref.ts'
import { codeValues, type FeedbackType, movesOf } from './fields.ts'
import { fieldsOf, lineOf, moved, type Scales, scalesOf, snap } from './scales.ref.ts'

const f = Math.fround

/** t[j] -= e_i U_ij for the columns j from `first` to `last`. */
function feed(t: Float32Array, e: number, u: Float32Array, i: number, [first, last]: [number, number], size: number) {
  for (let j = first; j < last; j++) t[j] = (t[j] ?? 0) - f(e * (u[i * size + j] ?? 0))
}

/** Returns the block with codes chosen and E [size]; w [size] and u [size, size] as in columns.ts. */
export function feedbackReference(type: FeedbackType, block: Uint8Array, w: Float32Array, u: Float32Array, moves = 9) {
  const layout = layoutOf(type as LaidOutType)
  let scales = scalesOf(layout, unpackReference(type as LaidOutType, block))
  const [t, e, values, size] = [w.slice(), new Float32Array(w.length), new Float32Array(w.length), w.length]
  const length = size / layout.groups
  for (let g = 0; g < layout.groups; g++) {
    const [begin, end] = [g * length, (g + 1) * length]
    const tries = movesOf(layout)
      .slice(0, moves)
      .map((move) => feedGroup(type, moved(type, scales, g, move), g, [begin, end], t, u))
    const best = tries.reduce((least, each) => (each.loss < least.loss ? each : least))
    scales = best.scales
    e.set(best.e, begin)
    values.set(best.values, begin)
    for (let i = begin; i < end; i++) feed(t, e[i] ?? 0, u, i, [end, size], size)
  }
  const codes = Uint8Array.from(values, (value) => codeValues(layout).indexOf(value))
  return { block: packReference(type as LaidOutType, { ...fieldsOf(layout, scales), codes }), e }
}

function feedGroup(
  type: FeedbackType,
  scales: Scales,
  g: number,
  range: [number, number],
  t: Float32Array,
  u: Float32Array,
) {
  const { s, o } = lineOf(layoutOf(type as LaidOutType), scales, g)
  const [work, e, values, inverse, size] = [t.slice(), [] as number[], [] as number[], s === 0 ? 0 : f(1 / s), t.length]
  let loss = 0
  for (let i = range[0]; i < range[1]; i++) {
    const x = work[i] ?? 0
    const value = snap(type, f(f(x - o) * inverse))
    const error = f(f(x - f(f(s * value) + o)) / (u[i * (size + 1)] ?? 1))
    loss = f(loss + f(error * error))
    feed(work, error, u, i, [i + 1, range[1]], size)
    e.push(error)
    values.push(value)
  }
  return { scales, e, values, loss }
}
