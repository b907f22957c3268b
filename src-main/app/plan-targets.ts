// What a budget asks of a plan, in the terms of the allocators.
import type { Budget } from '../../src-preload/contract/plan.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import { type Bound, bounds, infeasible, type Limits, type Totals } from '../engine/allocate/limits.ts'
import { isUnpacked } from './front-memory.ts'
import { bytesAtBits, type PlanModel } from './plan-model.ts'

export interface Target {
  objective: 'loss' | 'bytes'
  maxBytes?: number // of the whole file
  maxLoss?: number // predicted KL divergence, after calibration
  maxSeconds?: number // of one sample
  beside?: number // bytes of memory that the file is not
  words: string // what was asked, and what was assumed on the way
}

export function targetOf(model: PlanModel, budget: Budget): Target {
  if ('bytes' in budget) return { objective: 'loss', maxBytes: budget.bytes, words: `${budget.bytes} bytes` }
  if ('bits' in budget)
    return { objective: 'loss', maxBytes: bytesAtBits(model, budget.bits), words: `${budget.bits} bits a weight` }
  if ('loss' in budget)
    return { objective: 'bytes', maxLoss: budget.loss, words: `a KL divergence of ${budget.loss} at most` }
  if ('lose' in budget) return loseTarget(model, budget.lose)
  if ('perSecond' in budget) {
    if (!model.layers.some(({ seconds }) => seconds))
      throw new Fault('unsupported', 'How long each layer takes on this machine was not measured yet.', {
        hint: 'Measure sensitivity with "Time the layers, too", or give lathe plan --per-second, which does.',
        data: { field: 'budget' },
      })
    return {
      objective: 'loss',
      maxSeconds: 1 / budget.perSecond,
      words: `at least ${budget.perSecond} samples a second`,
    }
  }
  return memoryTarget(model, budget)
}

/** The smallest file that loses at most this share: of perplexity (0.05: x 1.05), or points of accuracy (0.05: 5 points). */
function loseTarget(model: PlanModel, lose: number): Target {
  const language = model.subject.checkpoint.summary.task === 'causal-lm'
  // A small divergence raises the cross-entropy by about itself. Accuracy falls with it more slowly at first; how slowly, only
  // measured variants tell.
  const asked = language ? Math.log1p(lose) : lose
  const ratios = model.qualities.flatMap(({ loss, lost }) => (lost > asked / 20 ? [loss / lost] : []))
  const ratio = ratios.length === 0 ? 1 : median(ratios)
  const unit = language ? 'perplexity' : 'accuracy'
  const from = ratios.length === 0 ? 'a guess: nothing measured yet' : `from ${ratios.length} measured variants`
  return {
    objective: 'bytes',
    maxLoss: asked * ratio,
    words: `at most ${(100 * lose).toPrecision(3)} % of ${unit} lost, taken as a KL divergence of ${(asked * ratio).toPrecision(3)} (${from})`,
  }
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? NaN

/** Weights, cache of that context, and activations fit these bytes. */
function memoryTarget(model: PlanModel, { memory, context }: { memory: number; context: number }): Target {
  if (model.running === null)
    throw new Fault('unsupported', 'What this network takes beside its weights is known of language models only.', {
      hint: 'Give the budget in bytes.',
      data: { field: 'budget' },
    })
  const { cachePerToken, activations, attentionPerToken } = model.running
  const beside = activations + context * (cachePerToken + attentionPerToken)
  const unpacks = model.layers.some(({ options }) => options.some((option) => isUnpacked(model.format, option)))
  const words = `${memory} bytes of memory, of which ${Math.round(beside)} for activations and a cache of ${context} tokens${unpacks ? '; no weights that ONNX Runtime unpacks when it opens the file' : ''}`
  if (beside < memory) return { objective: 'loss', maxBytes: memory - beside, beside, words }
  throw new Fault(
    'infeasible',
    `Nothing fits ${memory} bytes: activations and cache alone take ${Math.round(beside)}.`,
    {
      hint: `Give it a shorter context than ${context} tokens, or more memory.`,
      data: { expected: `more than ${Math.round(beside)} bytes`, found: `${memory} bytes` },
    },
  )
}

/** Nats above which a loss bounds nothing: no network loses as much, and the calibrated line ends in no number out there. */
const boundless = 1e9

/** The raw sum of layer losses whose calibrated prediction is `loss`: prediction rises with the sum. */
export function rawLoss(model: PlanModel, loss: number): number {
  if (loss >= boundless) return Infinity
  const predict = (sum: number): number => model.calibration.predict(sum).loss
  let [low, high] = [0, Math.max(loss, 1e-12)]
  for (let step = 0; step < 200 && predict(high) < loss; step += 1) high *= 2
  for (let step = 0; step < 100; step += 1) {
    const middle = (low + high) / 2
    if (predict(middle) <= loss) low = middle
    else high = middle
  }
  return low
}

/** The same refusal in the units a person asked in: losses as predicted after calibration, memory with what lies beside the
 *  weights, speed as samples a second. */
export function inAskedUnits(model: PlanModel, target: Target, limits: Limits, fault: Fault): Fault {
  const named = (fault.data?.bounds ?? []) as Bound[]
  if (fault.code !== 'infeasible' || !bounds.some((bound) => named.includes(bound))) return fault
  const found = (fault.data?.nearest ?? {}) as unknown as Partial<Record<Bound, Totals>>
  const predicted = (loss: number): number => model.calibration.predict(loss).loss
  const nearest = Object.fromEntries(
    Object.entries(found).map(([bound, plan]) => [bound, { ...plan, loss: predicted(plan.loss) }]),
  )
  const { maxLoss } = limits
  const asked = infeasible({ ...limits, ...(maxLoss !== undefined && { maxLoss: predicted(maxLoss) }) }, nearest)
  const { maxBytes, maxSeconds } = nearest as Partial<Record<Bound, Totals>>
  const more = [
    ...(target.beside !== undefined && maxBytes
      ? [`In memory that is ${Math.ceil(maxBytes.bytes + target.beside)} bytes.`]
      : []),
    ...(maxSeconds?.seconds ? [`That is ${Number((1 / maxSeconds.seconds).toPrecision(4))} samples a second.`] : []),
  ]
  return new Fault('infeasible', asked.message, {
    hint: [asked.hint, ...more].join(' '),
    data: { ...asked.data, budget: target.words },
    cause: fault,
  })
}
