import type { Option } from '../../src-preload/contract/plan.ts'
import type { Project } from '../../src-preload/contract/project.ts'
import { listOptions, type OptionRow } from '../store/options.ts'
import { offeredOptions } from '../engine/quantize/offered.ts'
import { type Candidates, knownCandidates } from './candidates.ts'
import { canWeigh, chosenFormat } from './plan-format.ts'
import type { OpenProject, Subject } from './projects.ts'

/** What one option of one layer is expected to cost, in nats of KL divergence per prediction. */
export interface OptionLoss {
  loss: number
  standardError: number
  measured: boolean
}

export interface Losses {
  of(layer: string, option: Pick<Option, 'id' | 'bits' | 'form'>): OptionLoss
  /** Where the numbers come from, in words. */
  source: string
  /** Standard deviation of ln(measured / predicted) to expect before any variant was measured. */
  priorDeviation: number
  /** (layer, option) pairs that were measured, of any export format. */
  measured: ReadonlySet<string>
  samples: number
}

export const keyOf = (layer: string, option: string): string => `${layer}\n${option}`

/** Relative squared error of rounding Gaussian weights in small groups: about 6 dB a bit. Used only until something was
 *  measured. */
const assumedError = (bits: number): number => Math.min(1, 3 * 4 ** -bits)

/** Losses of all options: measured where they were, else from the weight error scaled to the measured ones, else assumed.
 *  `keep` costs nothing. */
export function readLosses(project: OpenProject, subject: Subject): Losses {
  const db = project.store.read
  const checkpoint = subject.row.checkpoint
  const byKey = (rows: OptionRow[]) => new Map(rows.map((row) => [keyOf(row.layer, row.option), row]))
  const weightOnly = byKey(listOptions(db, { checkpoint, data: '' }))
  const measured =
    subject.data === '' ? new Map<string, OptionRow>() : byKey(listOptions(db, { checkpoint, data: subject.data }))

  const { summary } = subject.checkpoint
  const sizes = new Map(summary.layers.map(({ name, parameters }) => [name, parameters]))
  // Without data an error counts by the layer's share of the weights. Counted once per layer instead, large layers
  // get the fewest bits (on a small Llama at 4 bits that gave 0.21 nats where one width for all gave 0.15).
  const shareOf = (layer: string): number => (sizes.get(layer) ?? 0) / Math.max(1, summary.parameters)
  const scale = scaleOf(measured, weightOnly, shareOf)
  const samples = Math.min(...[...measured.values()].map((row) => row.samples))
  const first = measured.values().next().value ?? weightOnly.values().next().value
  return {
    of(layer, { id: option, bits, form }) {
      if (option === 'keep') return { loss: 0, standardError: 0, measured: true }
      const row = measured.get(keyOf(layer, option))
      if (row) return { loss: positive(row.loss), standardError: positive(row.standardError ?? 0), measured: true }
      // A better choice of codes costs at most what plain rounding to the same form costs, weighted where that was measured.
      const twin =
        form === undefined ? undefined : (measured.get(keyOf(layer, `${form}-w`)) ?? measured.get(keyOf(layer, form)))
      if (twin) return { loss: positive(twin.loss), standardError: positive(twin.standardError ?? 0), measured: false }
      const proxy = weightOnly.get(keyOf(layer, option)) ?? weightOnly.get(keyOf(layer, form ?? option))
      return {
        loss: scale * (shareOf(layer) * (proxy ? positive(proxy.error) : assumedError(bits))),
        standardError: 0,
        measured: false,
      }
    },
    source:
      first?.source ?? 'assumed: four times less error with each bit, the same in every layer (nothing measured yet)',
    priorDeviation: measured.size > 0 ? Math.log(2) / 1.96 : Math.log(100) / 1.96,
    measured: new Set((subject.data === '' ? weightOnly : measured).keys()),
    samples: Number.isFinite(samples) ? samples : 0,
  }
}

/** Geometric mean of measured loss / weight-only loss over pairs that have both; 1 without such. */
function scaleOf(
  measured: Map<string, OptionRow>,
  weightOnly: Map<string, OptionRow>,
  shareOf: (layer: string) => number,
): number {
  let [sum, count] = [0, 0]
  for (const [key, row] of measured) {
    const proxy = shareOf(row.layer) * (weightOnly.get(key)?.error ?? 0)
    if (!(proxy > 0 && row.loss > 0)) continue
    sum += Math.log(row.loss / proxy)
    count += 1
  }
  return count === 0 ? 1 : Math.exp(sum / count)
}

const positive = (value: number): number => (Number.isFinite(value) && value > 0 ? value : 0)

export function sensitivityState(project: OpenProject, subject: Subject): Project['sensitivity'] {
  const { measured, samples, source } = readLosses(project, subject)
  const format = chosenFormat(subject)
  const candidates = format === null ? null : knownCandidates(project, subject.row.checkpoint, format)
  const pairs = candidates ? pairsOf(candidates, canWeigh(subject)) : null
  const done = pairs ? pairs.filter((pair) => measured.has(pair)).length : measured.size
  return { measured: done, total: pairs?.length ?? Math.max(done, guessPairs(subject)), samples, source }
}

/** What there is to measure for the format that is planned for. */
const pairsOf = ({ layers }: Candidates, weighs: boolean): string[] =>
  layers.flatMap(({ name, options }) =>
    offeredOptions(options, weighs).flatMap(({ id }) => (id === 'keep' ? [] : [keyOf(name, id)])),
  )

const widths = 7 // 2 to 8 bits: what a layer usually offers, until the engine has told
const guessPairs = (subject: Subject): number =>
  subject.checkpoint.summary.layers.filter((layer) => layer.compressible).length * widths
