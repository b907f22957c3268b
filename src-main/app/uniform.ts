// One width for all layers, as far as what a person asked for lets them: locks, floors, ceilings, levers and layers that go
// alike hold as they do for any other plan.
import { Fault } from '../../src-preload/contract/fault.ts'
import { type Bound, bounds, infeasible, type Limits, type Totals } from '../engine/allocate/limits.ts'
import { isLever } from './offered.ts'
import { total } from './plan-model.ts'
import type { Space } from './plan-space.ts'

/** Of what is left for each layer or group of layers: the width or the widest below it, else the narrowest there is; of equal
 *  ones the first, but kept as it is where that is as narrow. -> index of each layer's option. */
export function uniformIn(space: Space, width: number): Int32Array {
  return space.expand(space.groups.map((_, group) => optionAt(space, group, width)))
}

function optionAt({ model, groups, members }: Space, group: number, width: number): number {
  const layer = model.layers[members[group]?.[0] ?? 0]
  const ids = groups[group]?.ids ?? []
  const options = ids.map((id) => layer?.options.find((option) => option.id === id))
  let [best, narrowest] = [-1, -1]
  for (const [index, option] of options.entries()) {
    if (option === undefined || (isLever(option) && options.length > 1)) continue // the only one: locked
    if (narrowest < 0 || option.bits < (options[narrowest]?.bits ?? 0)) narrowest = index
    const widest = options[best]?.bits ?? -1
    const isBetter = option.bits > widest || (option.bits === widest && option.method === 'keep')
    if (option.bits <= width && isBetter) best = index
  }
  if (narrowest >= 0) return best >= 0 ? best : narrowest
  throw new Fault('infeasible', `No width is left for ${layer?.name}: only ${ids.join(', ')}.`, {
    hint: 'Allow the lever "bits", loosen its floor or ceiling, or let layers differ.',
    data: { bounds: ['uniform', 'only'], tensor: layer?.name ?? '', found: ids.join(', ') },
  })
}

interface Candidate extends Totals {
  width: number
  choice: Int32Array
}

/** The widest single width within the limits, or the one of fewest bytes where these are the objective. A Fault names the
 *  limits that none keeps to, and for each the width that comes nearest. `named`: widths above are not what was asked for. */
export function uniformWithin(space: Space, limits: Limits, { named, words }: { named: number; words: string }) {
  const { model } = space
  const candidates = [...model.widths].reverse().map((width): Candidate => {
    const choice = uniformIn(space, width)
    const { bytes, loss, seconds } = total(model, choice)
    return { width, choice, bytes, loss, seconds }
  })
  const asked = candidates.filter(({ width }) => width <= named)
  if (asked.length === 0) {
    const [narrowest = 0] = model.widths
    throw new Fault('infeasible', `No single width is as narrow as ${named} bits; the narrowest is ${narrowest}.`, {
      hint: `Allow ${narrowest} bits, or let layers differ.`,
      data: { bounds: ['bits'], expected: `at least ${narrowest} bits`, found: `${named} bits` },
    })
  }
  const fitting = asked.filter((each) => bounds.every((bound) => keeps(each, limits, bound)))
  const [first] = limits.objective === 'bytes' ? [...fitting].sort((a, b) => a.bytes - b.bytes) : fitting
  if (first) return first.choice
  throw refusal(asked, limits, words)
}

const quantity = ({ bytes, loss, seconds }: Totals, bound: Bound): number =>
  ({ maxBytes: bytes, maxLoss: loss, maxSeconds: seconds ?? 0 })[bound]

const keeps = (totals: Totals, limits: Limits, bound: Bound): boolean =>
  quantity(totals, bound) <= (limits[bound] ?? Infinity)

function refusal(candidates: readonly Candidate[], limits: Limits, words: string): Fault {
  const broken = bounds.filter((bound) => candidates.some((each) => !keeps(each, limits, bound)))
  const nearest: Partial<Record<Bound, Candidate>> = {}
  for (const bound of broken) {
    const others = candidates.filter((each) => bounds.every((other) => other === bound || keeps(each, limits, other)))
    const among = others.length > 0 ? others : candidates
    const [least] = [...among].sort((a, b) => quantity(a, bound) - quantity(b, bound))
    if (least && !keeps(least, limits, bound)) nearest[bound] = least
  }
  const { hint, data } = infeasible(limits, totalsOf(nearest))
  const { maxBytes, maxLoss, maxSeconds } = nearest
  const parts = [
    ...(maxBytes ? [`the smallest takes ${Math.ceil(maxBytes.bytes)} bytes (${maxBytes.width} bits)`] : []),
    ...(maxLoss ? [`the best is predicted to lose more (${maxLoss.width} bits)`] : []),
    ...(maxSeconds ? [`the fastest takes longer (${maxSeconds.width} bits)`] : []),
  ]
  const others = parts.length > 1 ? 'with the other limits kept, ' : ''
  return new Fault('infeasible', `No single width keeps to ${words}; ${others}${parts.join(', ')}.`, {
    hint: `${hint?.replace(/, or take constraints away\.$/, '')}, take constraints away, or let layers differ.`,
    data: { ...data, uniform: true },
  })
}

const totalsOf = (nearest: Partial<Record<Bound, Candidate>>): Partial<Record<Bound, Totals>> =>
  Object.fromEntries(
    Object.entries(nearest).map(([bound, { bytes, loss, seconds }]) => [bound, { bytes, loss, seconds }]),
  )
