import { type Option, rankShareOf, sparsityOf } from '../../src-preload/contract/plan.ts'
import type { Project } from '../../src-preload/contract/project.ts'
import { listOptions, type OptionRow } from '../store/options.ts'
import { createChain } from '../engine/predict/chain.ts'
import type { LayerFacts, OptionFacts } from '../engine/predict/define.ts'
import { compressorOf } from '../engine/quantize/compressors.ts'
import { type Candidates, knownCandidates, shapeOf } from './candidates.ts'
import { triedOptions } from './offered.ts'
import { readTried } from './option-errors.ts'
import { canWeigh, chosenFormat } from './plan-format.ts'
import type { OpenProject, Subject } from './projects.ts'

/** What one option of one layer is expected to cost, in nats of KL divergence per prediction. */
export interface OptionLoss {
  loss: number
  standardError: number // of the samples
  deviation: number // of ln(loss): what the means itself may be off by
  /** By measurements of this very layer: of the option itself, or of others that tell it from its output error. */
  measured: boolean
  /** Which means told it (engine/predict/chain.ts): 'swapped', 'output-error', 'weight-error', or 'assumed'. */
  means: string
}

export type LossOption = Pick<Option, 'id' | 'bits'> & Partial<Pick<Option, 'form' | 'method' | 'parameters'>>

export interface Losses {
  of(layer: string, option: LossOption): OptionLoss
  /** Where the numbers come from, in words. */
  source: string
  /** Standard deviation of ln(measured / predicted) to expect before any variant was measured. */
  priorDeviation: number
  /** (layer, option) pairs whose loss is known by measurement of the layer, of any export format. */
  measured: ReadonlySet<string>
  /** Of these the ones that were not run themselves: told from others of their layer that were. */
  told: ReadonlySet<string>
  samples: number
}

export const keyOf = (layer: string, option: string): string => `${layer}\n${option}`

/** An option that breaks the network: no plan that can do without takes it. */
const brokenLoss = 1e6

/** Relative squared error of Gaussian weights: rounded in small groups, about 6 dB a bit; pruned by magnitude, what the smallest
 *  share s holds, s - 2 t phi(t) with P(|x| < t) = s; at a lower rank, the share of the spectrum left out. Used only until
 *  something was measured. */
function assumedError({ bits, parameters = {} }: LossOption): number {
  const sparsity = sparsityOf({ parameters })
  const rankShare = rankShareOf({ parameters })
  if (sparsity === 0 && rankShare === 1) return Math.min(1, 3 * 4 ** -bits)
  return Math.min(1, prunedEnergy(sparsity) + (1 - rankShare) ** 1.5)
}

function prunedEnergy(share: number): number {
  let [low, high] = [0, 8]
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2
    if (within(middle) < share) low = middle
    else high = middle
  }
  return share <= 0 ? 0 : Math.max(0, share - 2 * low * Math.exp((-low * low) / 2) * (1 / Math.sqrt(2 * Math.PI)))
}

/** P(|x| < t) of a normal variable; Abramowitz and Stegun 1964, formula 7.1.26, off by at most 1.5e-7. */
function within(t: number): number {
  const x = t / Math.SQRT2
  const k = 1 / (1 + 0.3275911 * x)
  const series = k * (0.254829592 + k * (-0.284496736 + k * (1.421413741 + k * (-1.453152027 + k * 1.061405429))))
  return 1 - series * Math.exp(-x * x)
}

interface Known {
  layers: Map<string, LayerFacts & { byId: Map<string, OptionFacts> }>
  broken: Set<string>
  source: string | null
  samples: number
}

/** Everything that was measured on this checkpoint and its data, by layer. */
function factsOf(project: OpenProject, subject: Subject): Known {
  const db = project.store.read
  const { checkpoint } = subject.row
  const { summary } = subject.checkpoint
  const weightOnly = listOptions(db, { checkpoint, data: '' })
  const run = subject.data === '' ? [] : listOptions(db, { checkpoint, data: subject.data })
  const tried = subject.data === '' ? new Map<string, never>() : readTried(project, checkpoint, subject.data)
  const layers: Known['layers'] = new Map()
  const broken = new Set<string>()
  // Without data an error counts by the layer's share of the weights.
  for (const { name, parameters } of summary.layers)
    layers.set(name, { name, share: parameters / Math.max(1, summary.parameters), options: [], byId: new Map() })
  const note = (layer: string, id: string, more: Partial<OptionFacts>): void => {
    const facts = layers.get(layer)
    if (!facts) return
    const before = facts.byId.get(id) ?? { id, kind: 'quantize', error: null, outputError: null, measured: null }
    facts.byId.set(id, { ...before, ...more })
  }
  for (const row of weightOnly) note(row.layer, row.option, { error: row.error })
  for (const [layer, options] of tried)
    for (const [id, { method, error, outputError, broken: isBroken }] of Object.entries(options)) {
      note(layer, id, { kind: kindOf(method), error, outputError })
      if (isBroken) broken.add(keyOf(layer, id))
    }
  for (const row of run) note(row.layer, row.option, { error: row.error, measured: measurementOf(row) })
  for (const facts of layers.values()) facts.options = [...facts.byId.values()]
  const samples = Math.min(...run.map((row) => row.samples))
  return {
    layers,
    broken,
    source: (run.find(({ layer }) => layer !== '') ?? weightOnly[0])?.source ?? null,
    samples: Number.isFinite(samples) ? samples : 0,
  }
}

const measurementOf = ({ loss, standardError }: OptionRow): OptionFacts['measured'] => ({
  loss: positive(loss),
  standardError: positive(standardError ?? 0),
})

/** As engine/score/anchors.ts groups them: roundings follow one line, other methods each their own. */
function kindOf(method: string): string {
  const family = compressorOf(method)?.family ?? 'quantize'
  return family === 'quantize' ? family : method
}

/** Losses of all options, each by the best means there is for it (engine/predict). `keep` costs nothing. */
export function readLosses(project: OpenProject, subject: Subject): Losses {
  const { layers, broken, source, samples } = factsOf(project, subject)
  const tell = createChain([...layers.values()])
  const anyRun = [...layers.values()].some(({ options }) => options.some((option) => option.measured !== null))
  const isRun = new Map(
    [...layers].map(([name, { options }]) => [name, options.some((option) => option.measured !== null)]),
  )
  const [measured, toldOnly] = [new Set<string>(), new Set<string>()]
  for (const [name, { options }] of layers)
    for (const option of options) {
      const key = keyOf(name, option.id)
      if (!(subject.data === '' ? option.error !== null : isKnown(option, isRun.get(name) ?? false))) continue
      measured.add(key)
      if (subject.data !== '' && option.measured === null && !broken.has(key)) toldOnly.add(key)
    }

  const tellOf = (layer: string, id: string): OptionLoss | null => {
    const facts = layers.get(layer)
    const option = facts?.byId.get(id)
    if (broken.has(keyOf(layer, id)))
      return { loss: brokenLoss, standardError: 0, deviation: 0, measured: true, means: 'swapped' }
    const told = facts && option ? tell(facts, option) : null
    if (told === null) return null
    const { loss, standardError, deviation, means } = told
    const isMeasured = subject.data !== '' && measured.has(keyOf(layer, id))
    return { loss: positive(loss), standardError: positive(standardError), deviation, measured: isMeasured, means }
  }
  const assumed = (layer: string, option: LossOption): OptionLoss => {
    const facts = layers.get(layer) ?? { name: layer, share: 0, options: [] }
    const known = { id: option.id, kind: kindOf(option.method ?? ''), outputError: null, measured: null }
    const told = tell(facts, { ...known, error: assumedError(option) })
    return { loss: 0, standardError: 0, deviation: 0, ...told, measured: false, means: 'assumed' }
  }
  return {
    of(layer, option) {
      if (option.id === 'keep') return { loss: 0, standardError: 0, deviation: 0, measured: true, means: 'swapped' }
      const own = tellOf(layer, option.id)
      if (own && own.means !== 'weight-error') return own
      // A better choice of codes costs at most what plain rounding to the same form costs, weighted where that was measured.
      const { form } = option
      const twin = form === undefined ? null : (tellOf(layer, `${form}-w`) ?? tellOf(layer, form))
      if (twin && twin.means !== 'weight-error') return { ...twin, measured: false }
      return own ?? twin ?? assumed(layer, option)
    },
    source: source ?? 'assumed: four times less error with each bit, the same in every layer (nothing measured yet)',
    priorDeviation: anyRun ? Math.log(2) / 1.96 : Math.log(100) / 1.96,
    measured,
    told: toldOnly,
    samples,
  }
}

const isKnown = ({ measured, outputError, error }: OptionFacts, layerIsRun: boolean): boolean =>
  measured !== null || (layerIsRun && (outputError ?? error) !== null)

const positive = (value: number): number => (Number.isFinite(value) && value > 0 ? value : 0)

export function sensitivityState(project: OpenProject, subject: Subject): Project['sensitivity'] {
  const { measured, told, samples, source } = readLosses(project, subject)
  const format = chosenFormat(subject)
  const { checkpoint, methods } = subject.row
  const candidates =
    format === null
      ? null
      : (knownCandidates(project, checkpoint, format, shapeOf(methods, [])) ??
        knownCandidates(project, checkpoint, format))
  const pairs = candidates ? pairsOf(candidates, subject) : null
  const count = (known: ReadonlySet<string>): number => pairs?.filter((pair) => known.has(pair)).length ?? known.size
  const done = count(measured)
  const total = pairs?.length ?? Math.max(done, guessPairs(subject))
  return { measured: done, told: count(told), total, samples, source }
}

/** What there is to measure for the format that is planned for. */
const pairsOf = ({ layers }: Candidates, subject: Subject): string[] =>
  layers.flatMap(({ name, options }) =>
    triedOptions(options, subject.row.methods, canWeigh(subject)).map(({ id }) => keyOf(name, id)),
  )

const widths = 7 // 2 to 8 bits: what a layer usually offers, until the engine has told
const guessPairs = (subject: Subject): number =>
  subject.checkpoint.summary.layers.filter((layer) => layer.compressible).length * widths
