import { Fault } from '../../../src-preload/contract/fault.ts'

/** What a measurement at one point of the order found. Higher is better: accuracy, or a loss with its sign turned. */
export interface Measured {
  index: number
  quality: number
  low?: number // interval of the measurement; absent: taken as exact
  high?: number
}

/** Points in an order along which quality should not fall: 0 the smallest, most compressed one. */
export interface Order {
  points: number
  floor: number
  /** Predicted quality of each point. With it the first guesses are good ones; its scale and offset are corrected by what
   *  is measured. Absent: halves. */
  predicted?: ArrayLike<number>
}

export interface Bisected {
  index: number // the smallest point found to meet the floor with the low end of its interval
  found: Measured
  /** The point before it, which does not meet the floor; null where the first of all meets it. Together they make `index`
   *  minimal along the order. */
  before: Measured | null
  measured: Measured[] // in the order of measuring
  /** Points whose interval holds the floor: neither met nor failed for certain. More samples would tell. */
  unclear: number[]
  /** Points above `index` that were measured and do not meet the floor: the order is noisy here. */
  exceptions: number[]
}

/** Really meets the floor: with the bad end of its interval. */
export const meets = ({ quality, low = quality }: Measured, floor: number): boolean => low >= floor

/** The point to measure next, or null when the answer is known: either the smallest point that meets the floor and the one
 *  before it are measured, or the last point fails. Depends on what was measured only, so that a search goes on anywhere. */
export function nextPoint(order: Order, measured: readonly Measured[]): number | null {
  const { points, floor } = order
  const { below, above } = bracket(order, measured)
  if (above - below <= 1) return null
  const middle = (below + above) >> 1
  if (!order.predicted) return middle
  // As long as guesses cut the bracket well they are followed; halves bound the number of measurements otherwise.
  const allowed = Math.ceil(Math.log2(points + 1)) - Math.ceil(Math.log2(above - below))
  if (measured.length > allowed + 3) return middle
  return guess(order.predicted, floor, below, above, measured)
}

/** The largest point known to fail below the smallest known to meet; -1 and `points` where none is. */
function bracket({ points, floor }: Order, measured: readonly Measured[]): { below: number; above: number } {
  let [below, above] = [-1, points]
  for (const each of measured) if (meets(each, floor) && each.index < above) above = each.index
  for (const each of measured) if (!meets(each, floor) && each.index < above && each.index > below) below = each.index
  return { below, above }
}

/** Where the corrected prediction crosses the floor, within the bracket. Beside a bracket's end that lies next to the
 *  crossing, the neighbour is asked: it closes the search. */
function guess(
  predicted: ArrayLike<number>,
  floor: number,
  below: number,
  above: number,
  measured: readonly Measured[],
): number {
  const valueAt = (index: number): number | null => {
    const found = measured.findLast((each) => each.index === index)
    return found ? (found.low ?? found.quality) : null
  }
  const [failed, met] = [valueAt(below), valueAt(above)]
  // Losses are off by factors, so their logarithms are compared; accuracies hardly care.
  const values = [floor, failed ?? floor, met ?? floor, predicted[0] ?? 0, predicted[predicted.length - 1] ?? 0]
  const sign = values.every((value) => value < 0) ? -1 : values.every((value) => value > 0) ? 1 : 0
  const turned = (value: number): number => (sign === 0 ? value : sign * Math.log(Math.abs(value)))
  const at = (index: number): number => turned(predicted[index] ?? NaN)
  const corrected = (index: number): number => {
    if (failed !== null && met !== null && at(above) > at(below)) {
      const share = (at(index) - at(below)) / (at(above) - at(below))
      return turned(failed) + (turned(met) - turned(failed)) * share
    }
    if (failed !== null) return at(index) + turned(failed) - at(below)
    return at(index) + (met === null ? 0 : turned(met) - at(above))
  }
  let [low, high] = [below + 1, above] // first point whose corrected prediction meets the floor
  while (low < high) {
    const middle = (low + high) >> 1
    if (corrected(middle) >= turned(floor)) high = middle
    else low = middle + 1
  }
  return Math.min(Math.max(low, below + 1), above - 1)
}

/** The smallest point along an order that meets a floor when measured. A point is measured once; those of an earlier search
 *  are passed in `measured`, and `measure` is to remember its own. */
export async function bisect(
  order: Order & { measured?: readonly Measured[]; measure: (index: number) => Promise<Omit<Measured, 'index'>> },
): Promise<Bisected> {
  const measured = [...(order.measured ?? [])]
  measured.forEach(check)
  for (;;) {
    const index = nextPoint(order, measured)
    if (index === null) return outcome(order, measured)
    const found = { ...(await order.measure(index)), index }
    check(found)
    measured.push(found)
  }
}

function check({ index, quality, low = quality, high = quality }: Measured): void {
  if (Number.isFinite(quality) && low <= quality && quality <= high) return
  throw new Fault(
    'bad-data',
    `Point ${index} of the search measured ${quality}, with an interval from ${low} to ${high}.`,
    {
      hint: 'Look at the evaluation of this point: it is not a number, or its interval does not hold it.',
      data: { field: 'quality', found: String(quality) },
    },
  )
}

/** The answer to a search that has ended. Throws where even the last point fails, with the best that was measured. */
export function outcome(order: Order, measured: readonly Measured[]): Bisected {
  const { points, floor } = order
  const { below, above } = bracket(order, measured)
  const at = (index: number) => measured.findLast((each) => each.index === index)
  const found = at(above)
  if (found === undefined) {
    const worth = (each: Measured) => each.low ?? each.quality
    const best = measured.reduce<Measured | undefined>((a, b) => (a && worth(a) >= worth(b) ? a : b), undefined)
    const words = best
      ? `the best measured is ${best.quality}${best.low === undefined ? '' : `, at least ${best.low}`}`
      : 'there is no point'
    throw new Fault('infeasible', `None of ${points} points meets ${floor}: ${words}.`, {
      hint: 'Lower the floor, measure on more samples for a narrower interval, or offer options that lose less.',
      data: {
        bounds: ['floor'],
        expected: `at least ${floor}`,
        found: best ? String(worth(best)) : 'nothing',
        ...(best && { nearest: { ...best } }),
      },
    })
  }
  return {
    ...{ index: above, found, before: at(below) ?? null, measured: [...measured] },
    unclear: measured
      .filter(({ quality, low = quality, high = quality }) => low < floor && high >= floor)
      .map(({ index }) => index),
    exceptions: measured.filter((each) => each.index > above && !meets(each, floor)).map(({ index }) => index),
  }
}
