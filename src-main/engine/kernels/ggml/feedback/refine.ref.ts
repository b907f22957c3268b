// Plain twin of `refine` in assembly/ggml-feedback.ts: one row, one block, the same float32 operations in the same order.
import { roundToHalf } from '../../float16.ts'
import { type BlockLayout, type LaidOutType, layoutOf } from '../layout.ts'
import { inverseOf, storedScale } from '../symmetric.ref.ts'
import { packReference, unpackReference } from '../unpack.ref.ts'
import { codeValues, type FeedbackType, movesOf } from './fields.ts'
import { fieldsOf, lineOf, moved, type Scales, scalesOf, snap } from './scales.ref.ts'

const f = Math.fround
const PASSES = 2

interface State {
  type: FeedbackType
  layout: BlockLayout
  length: number // of a group
  h: Float32Array // [size, size]
  scales: Scales
  values: Float32Array
  q: Float32Array
  g: Float32Array // (W - Q) H
}

function tell(g: Float32Array, h: Float32Array, e: number, i: number, first = 0, last = g.length): void {
  for (let j = first; j < last; j++) g[j] = (g[j] ?? 0) - f(e * (h[i * g.length + j] ?? 0))
}

const weightsOf = ({ layout, length }: State, scales: Scales, values: Float32Array) =>
  values.map((value, i) => {
    const { s, o } = lineOf(layout, scales, Math.floor(i / length))
    return f(f(s * value) + o)
  })

function refineGroup(state: State, scales: Scales, group: number) {
  const { type, layout, length, h } = state
  const [g, q, values] = [state.g.slice(), state.q.slice(), state.values.slice()]
  const { s, o } = lineOf(layout, scales, group)
  const [first, last, size] = [group * length, (group + 1) * length, g.length]
  let change = 0
  for (let pass = 0; pass < PASSES; pass++)
    for (let i = first; i < last; i++) {
      const [own, old, gradient] = [h[i * (size + 1)] ?? 0, q[i] ?? 0, g[i] ?? 0]
      const t = f(old + f(gradient * inverseOf(own)))
      values[i] = snap(type, f(f(t - o) * inverseOf(s)))
      q[i] = f(f(s * (values[i] ?? 0)) + o)
      const e = f((q[i] ?? 0) - old)
      change = f(change + f(e * f(f(e * own) - f(2 * gradient))))
      tell(g, h, e, i, first, last)
    }
  return { change, scales, values, q }
}

/** d, or m where `offset`, by least squares. */
function fit(state: State, offset: boolean): void {
  const { layout, length, h, scales, values, q, g } = state
  const groupOf = (i: number) => Math.floor(i / length)
  const slope = values.map((value, i) =>
    offset
      ? layout.min
        ? -(scales.n[groupOf(i)] ?? 0)
        : 1
      : layout.scale
        ? (scales.k[groupOf(i)] ?? 0) * value
        : value,
  )
  const slopeH = new Float32Array(q.length)
  slope.forEach((p, i) => tell(slopeH, h, p, i))
  const num = slope.reduce((sum, p, i) => f(sum + f(p * (g[i] ?? 0))), 0)
  const den = slope.reduce((sum, p, i) => f(sum - f(p * (slopeH[i] ?? 0))), 0)
  if (!(den > 0)) return
  const wanted = f((offset ? scales.m : scales.d) + f(num * inverseOf(den)))
  const half = offset ? roundToHalf(wanted) : storedScale(wanted)
  const next = { ...scales, [offset ? 'm' : 'd']: offset && layout.min ? Math.max(0, half) : half }
  const after = g.slice()
  const weights = weightsOf(state, next, values)
  weights.forEach((weight, i) => tell(after, h, f(weight - (q[i] ?? 0)), i))
  const change = weights.reduce((sum, weight, i) => f(sum - f(f(weight - (q[i] ?? 0)) * f((g[i] ?? 0) + (after[i] ?? 0)))), 0) // prettier-ignore
  if (change < 0) Object.assign(state, { scales: next, q: weights, g: after })
}

/** Returns the block with better codes and its weights; g [size] and h [size, size] as in columns.ts. */
export function refineReference(type: FeedbackType, block: Uint8Array, g: Float32Array, h: Float32Array, moves = 9) {
  const layout = layoutOf(type as LaidOutType)
  const fields = unpackReference(type as LaidOutType, block)
  const values = Float32Array.from(fields.codes, (code) => codeValues(layout)[code] ?? 0)
  const scales = scalesOf(layout, fields)
  const state: State = { type, layout, length: g.length / layout.groups, h, scales, values, q: values, g: g.slice() }
  state.q = weightsOf(state, scales, values)
  for (let group = 0; group < layout.groups; group++) {
    const tries = movesOf(layout)
      .slice(0, moves)
      .map((move) => refineGroup(state, moved(type, state.scales, group, move), group))
    const best = tries.reduce((least, each) => (each.change < least.change ? each : least))
    if (!(best.change < 0)) continue
    best.q.forEach((weight, i) => tell(state.g, h, f(weight - (state.q[i] ?? 0)), i))
    Object.assign(state, { scales: best.scales, values: best.values, q: best.q })
  }
  if (layout.dType !== 'exponent') fit(state, false)
  if (layout.m !== undefined) fit(state, true)
  const codes = Uint8Array.from(state.values, (value) => codeValues(layout).indexOf(value))
  return { block: packReference(type as LaidOutType, { ...fieldsOf(layout, state.scales), codes }), weights: state.q }
}
