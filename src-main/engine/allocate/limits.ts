import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Allocation, Choices, Pair, Problem } from './define.ts'

export const bounds = ['maxBytes', 'maxLoss', 'maxSeconds'] as const
export type Bound = (typeof bounds)[number]
export type Limits = Pick<Problem, 'objective' | Bound>

/** What a choice comes to. */
export interface Totals {
  bytes: number
  loss: number // pairs counted
  seconds: number | null // null where a layer does not know
}

/** What both together lose beyond the sum of each: 2 rho sqrt(loss_a loss_b). A loss below zero is noise around none. */
export const pairLoss = (rho: number, a: number, b: number): number =>
  2 * rho * Math.sqrt(Math.max(0, a) * Math.max(0, b))

export function totalsOf({ layers, pairs }: Pick<Problem, 'layers' | 'pairs'>, choice: Int32Array): Totals {
  const totals: Totals = { bytes: 0, loss: 0, seconds: 0 }
  layers.forEach((layer, i) => {
    const option = choice[i] ?? 0
    totals.bytes += layer.bytes[option] ?? 0
    totals.loss += layer.loss[option] ?? 0
    totals.seconds = layer.seconds && totals.seconds !== null ? totals.seconds + (layer.seconds[option] ?? 0) : null
  })
  for (const { a, b, rho } of pairs ?? [])
    totals.loss += pairLoss(rho, layers[a]?.loss[choice[a] ?? 0] ?? 0, layers[b]?.loss[choice[b] ?? 0] ?? 0)
  return totals
}

export const within = (totals: Totals, { maxBytes = Infinity, maxLoss = Infinity, maxSeconds = Infinity }: Limits) =>
  totals.bytes <= maxBytes && totals.loss <= maxLoss && (totals.seconds ?? 0) <= maxSeconds

/** Refuses what no allocator can work with, by layer and option. Losses may have any finite value. */
export function checkProblem({ layers, pairs, maxSeconds, ...limits }: Problem): void {
  layers.forEach((layer, i) => checkLayer(layer, i))
  for (const bound of ['maxBytes', 'maxLoss'] as const) if (Number.isNaN(limits[bound])) throw notANumber(bound)
  if (Number.isNaN(maxSeconds)) throw notANumber('maxSeconds')
  const untimed = layers.findIndex(({ seconds }) => seconds === undefined)
  if (maxSeconds !== undefined && maxSeconds < Infinity && untimed >= 0)
    throw new Fault(
      'bad-arguments',
      `The time of layer ${untimed} of the plan is not known, so time cannot be limited.`,
      {
        hint: 'Measure the latency of the options first, or leave the limit out.',
        data: { field: 'maxSeconds' },
      },
    )
  for (const pair of pairs ?? []) checkPair(pair, layers.length)
}

const notANumber = (field: Bound) =>
  new Fault('bad-arguments', `The limit ${field} of the plan is not a number.`, { data: { field } })

export function checkLayer(layer: Choices, index: number): void {
  const count = layer.bytes.length
  if (count === 0 || layer.loss.length !== count || (layer.seconds ?? layer.loss).length !== count)
    throw new Fault(
      'bad-arguments',
      `Layer ${index} of the plan has ${count} sizes, ${layer.loss.length} losses and ${layer.seconds?.length ?? 'no'} times.`,
    )
  for (let option = 0; option < count; option++) {
    const size = layer.bytes[option] ?? NaN
    const loss = layer.loss[option] ?? NaN
    const seconds = layer.seconds?.[option] ?? 0
    if (Number.isFinite(size) && Number.isFinite(loss) && size >= 0 && seconds >= 0 && seconds < Infinity) continue
    const time = layer.seconds ? ` and takes ${seconds} seconds` : ''
    throw new Fault(
      'bad-arguments',
      `Layer ${index} of the plan: option ${option} has ${size} bytes and loss ${loss}${time}.`,
      { data: { layer: index, option, field: !(size >= 0 && size < Infinity) ? 'bytes' : 'loss' } },
    )
  }
}

function checkPair({ a, b, rho }: Pair, layers: number): void {
  const known = (index: number) => Number.isInteger(index) && index >= 0 && index < layers
  if (a !== b && known(a) && known(b) && Number.isFinite(rho)) return
  throw new Fault(
    'bad-arguments',
    `The plan has a pair of layers ${a} and ${b} with rho ${rho}; it has ${layers} layers.`,
  )
}

const words = (bound: Bound, value: number): string =>
  bound === 'maxBytes'
    ? `${Math.floor(value)} bytes`
    : bound === 'maxLoss'
      ? `a loss of ${Number(value.toPrecision(6))}`
      : `${Number(value.toPrecision(6))} seconds a sample`

const joined = (parts: string[], last: string) =>
  parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} ${last} ${parts.at(-1) ?? ''}`

/** No plan keeps to these bounds. `nearest`: for each bound that contradicts, the plan that keeps to all others and comes
 *  closest to it; what it comes to is what that bound would have to allow. */
export function infeasible(limits: Limits, nearest: Partial<Record<Bound, Totals>>): Fault {
  const named = bounds.filter((bound) => nearest[bound] !== undefined)
  const least = (bound: Bound): number => {
    const { bytes = 0, loss = 0, seconds = 0 } = nearest[bound] ?? {}
    return { maxBytes: bytes, maxLoss: loss, maxSeconds: seconds ?? 0 }[bound]
  }
  const asked = named.map((bound) => words(bound, limits[bound] ?? Infinity))
  const possible = named.map((bound) => words(bound, least(bound)))
  const single = named.length === 1
  return new Fault(
    'infeasible',
    single
      ? `No plan fits ${asked.join('')}: the least possible is ${possible.join('')}.`
      : `No plan keeps to ${joined(asked, 'and')} at once: with the other limits kept, the least possible is ${joined(possible, 'or')}.`,
    {
      hint: `Allow at least ${joined(possible, 'or')}, unlock layers, or take constraints away.`,
      data: {
        expected: `at least ${joined(possible, 'or')}`,
        found: joined(asked, 'and'),
        bounds: named,
        nearest: Object.fromEntries(
          named.map((bound) => [bound, { ...nearest[bound] } as Record<string, number | null>]),
        ),
        ...(nearest.maxBytes && single && { smallestBytes: nearest.maxBytes.bytes }),
      },
    },
  )
}

/** A choice with its totals, as an answer whose objective lies at most `gap` above the best. */
export const allocationOf = (
  problem: Pick<Problem, 'layers' | 'pairs'>,
  choice: Int32Array,
  gap: number,
): Allocation => ({ choice, ...totalsOf(problem, choice), optimal: gap === 0, gap })
