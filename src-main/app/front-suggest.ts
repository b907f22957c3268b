import type { Handlers } from '../../src-preload/contract/server.ts'
import { noConstraints, type Recipe } from '../../src-preload/contract/plan.ts'
import type { FrontPoint, Suggestion } from '../../src-preload/contract/results.ts'
import { listVariants } from '../store/variants.ts'
import type { AppContext } from './context.ts'
import { memoryModel } from './front-memory.ts'
import { measuredDots, predictedCurve } from './front-points.ts'
import { planHandlers } from './plan.ts'
import { planModel } from './plan-model.ts'
import { preflightHandlers } from './preflight.ts'
import { canEvaluate } from './projects.ts'

export interface Telling {
  point: FrontPoint
  why: string
}

const reasons = {
  gap: 'nothing is measured near it',
  width: 'its prediction is uncertain',
  bend: 'the curve bends here',
} as const

/** Where a measurement tells most, one after the other: each point's worth is the width of its predicted interval (natural
 *  logarithm of high / low) times its distance to what is measured or already chosen (logarithm of bytes) times 1 + how much
 *  the curve bends there, all as shares of the most along the curve. A rule of thumb in the manner of uncertainty sampling
 *  (Settles 2009, "Active learning literature survey", section 3.1), not an optimal design. */
export function mostTelling(curve: readonly FrontPoint[], measured: readonly number[], count: number): Telling[] {
  const points = curve.filter(({ bytes, loss }) => bytes > 0 && loss > 0)
  const taken = measured.map(Math.log)
  const widths = shares(
    points.map(({ lossLow, lossHigh }) => Math.log(Math.max(lossHigh, 1e-30) / Math.max(lossLow, 1e-30))),
    1,
  )
  const bends = shares(bendsOf(points), 0)
  const found: Telling[] = []
  for (let n = 0; n < count; n += 1) {
    const gaps = shares(
      points.map(({ bytes }) => Math.min(...taken.map((one) => Math.abs(Math.log(bytes) - one)))),
      0,
    )
    let best = -1
    let most = 0
    points.forEach((_, i) => {
      const worth = (gaps[i] ?? 0) * (0.25 + (widths[i] ?? 0)) * (1 + (bends[i] ?? 0))
      if (worth > most) [best, most] = [i, worth]
    })
    const point = points[best]
    if (!point) break
    const parts = { gap: gaps[best] ?? 0, width: widths[best] ?? 0, bend: bends[best] ?? 0 }
    const why = (Object.keys(reasons) as (keyof typeof reasons)[]).sort((a, b) => parts[b] - parts[a])[0] ?? 'gap'
    found.push({ point, why: reasons[taken.length === 0 && parts.bend > 0.5 ? 'bend' : why] })
    taken.push(Math.log(point.bytes))
  }
  return found
}

/** As shares of the largest; all `otherwise` where none is above 0, or there is nothing to be far from. */
function shares(values: readonly number[], otherwise: number): number[] {
  const most = Math.max(0, ...values)
  return values.map((value) => (most === Infinity ? 1 : most > 0 ? Math.max(0, value) / most : otherwise))
}

/** How far the logarithm of the loss lies below the straight line between its neighbours a tenth of the range away. */
function bendsOf(points: readonly FrontPoint[]): number[] {
  const x = points.map(({ bytes }) => Math.log(bytes))
  const y = points.map(({ loss }) => Math.log(loss))
  const reach = ((x.at(-1) ?? 0) - (x[0] ?? 0)) / 10
  const at = (place: number): number => {
    const above = x.findIndex((value) => value >= place)
    if (above <= 0) return y[above < 0 ? y.length - 1 : 0] ?? 0
    const [x0 = 0, x1 = 0, y0 = 0, y1 = 0] = [x[above - 1], x[above], y[above - 1], y[above]]
    return x1 === x0 ? y1 : y0 + ((y1 - y0) * (place - x0)) / (x1 - x0)
  }
  const [first = 0, last = 0] = [x[0], x.at(-1)]
  return x.map((here, i) =>
    here - reach < first || here + reach > last
      ? 0
      : Math.max(0, (at(here - reach) + at(here + reach)) / 2 - (y[i] ?? 0)),
  )
}

/** Beyond the widest codes the curve runs on to kept floats, where there is little to learn. */
const widestWorthBits = 9

export const frontSuggestHandlers = (context: AppContext): Pick<Handlers, 'front.suggest'> => ({
  'front.suggest': async ({ project, points: count, minutes }): Promise<Suggestion> => {
    const open = context.projects.get(project)
    const model = await planModel(context, open)
    const whole = predictedCurve(model, memoryModel(open, model))
    const narrow = whole.filter(({ averageBits }) => averageBits <= widestWorthBits)
    const ofFormat = new Set(
      listVariants(open.store.read).flatMap(({ id, format }) => (format === model.format ? [id] : [])),
    )
    const dots = measuredDots(open, model).filter(
      ({ variant, kind }) => kind === 'planned' && ofFormat.has(variant ?? ''),
    )
    const telling = mostTelling(
      narrow.length > 1 ? narrow : whole,
      dots.map(({ bytes }) => bytes),
      count,
    )

    const solve = planHandlers(context)['plan.solve']
    const preflight = preflightHandlers(context)['plan.preflight']
    const caller = { door: context.door, trusted: true }
    const evaluates = canEvaluate(model.subject)
    const ask = (job: Parameters<typeof preflight>[0]['job']) => preflight({ project, job }, caller)
    const first = evaluates ? await ask({ kind: 'evaluate', variant: null }) : null
    const secondsOfOriginal = first?.time.seconds ?? 0
    const allowed = minutes === null ? Infinity : minutes * 60
    const found: Suggestion['points'] = []
    let seconds = secondsOfOriginal
    let from = first?.time.from ?? ''
    for (const { point, why } of telling) {
      const bounds = { uniform: false, locked: {}, constraints: noConstraints, allocator: null }
      const plan = await solve({ project, budget: { bytes: Math.ceil(point.bytes) }, ...bounds }, caller)
      const recipes: Recipe[] = [plan.recipe]
      const job = await ask({ kind: 'run', recipes, evaluate: evaluates })
      const took = Math.max(0, job.time.seconds - secondsOfOriginal)
      if (seconds + took > allowed) break
      seconds += took
      from = job.time.from
      found.push({ ...point, seconds: took, why })
    }
    return { points: found, seconds, secondsOfOriginal, from, left: telling.length - found.length }
  },
})
