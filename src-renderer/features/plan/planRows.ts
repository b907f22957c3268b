import type { LayerSummary } from '../../../src-preload/contract/model.ts'
import { type LayerPlan, rankShareOf, sparsityOf } from '../../../src-preload/contract/plan.ts'
import type { LivePlan } from '../../stores/plan.ts'
import type { Project } from '../../../src-preload/contract/project.ts'
import type { FrontPoint } from '../../../src-preload/contract/results.ts'
import type { LayerOptions } from '../../stores/project.ts'
import { formatBits, formatCount, formatPercent } from '../../ui/format.ts'

export type PlanOption = LayerOptions['options'][number]

export interface PlanRow {
  plan: LayerPlan
  layer: LayerSummary | null
  block: number | null
  bytes: number
  /** What the chosen option is called: '4', 'Q4_K', 'keep'. */
  figure: string
  /** Share of the plan's whole predicted loss. */
  lossShare: number
  sparsity: number
  rankShare: number
}

export function planRows(
  plan: LivePlan,
  layers: ReadonlyMap<string, LayerSummary>,
  optionOf: (layer: string, id: string) => PlanOption | undefined = () => undefined,
): PlanRow[] {
  const total = plan.layers.reduce((sum, row) => sum + Math.max(0, row.loss), 0)
  return plan.layers.map((row) => {
    const layer = layers.get(row.name) ?? null
    const option = optionOf(row.name, row.option)
    return {
      plan: row,
      layer,
      block: layer?.block ?? null,
      bytes: row.bytes,
      figure: optionFigure(option, row.bits),
      lossShare: total > 0 ? Math.max(0, row.loss) / total : 0,
      sparsity: option ? sparsityOf(option) : 0,
      rankShare: option ? rankShareOf(option) : 1,
    }
  })
}

/** A plan's layers as the list of names has them; null where one is left out with its block. Plans keep that order mostly, and
 *  then no index is made. */
export function inListOrder<L extends { name: string }>(names: readonly string[], layers: readonly L[]): (L | null)[] {
  let next = 0
  const walked = names.map((name) => {
    const layer = layers[next]
    if (layer?.name !== name) return null
    next += 1
    return layer
  })
  if (next === layers.length) return walked
  const byName = new Map(layers.map((layer) => [layer.name, layer]))
  return names.map((name) => byName.get(name) ?? null)
}

type Titled = Pick<PlanOption, 'method' | 'bits' | 'parameters'>

/** The name a file format gives its type ('Q4_K'); null where the option is known by its width. */
const typeOf = ({ parameters }: Titled): string | null => (typeof parameters.type === 'string' ? parameters.type : null)

/** What an option takes away beside bits: '50 % zeros', 'rank 30 %'; null where it takes bits alone. */
export function spentBeside(option: Titled): string | null {
  const [zeros, rank] = [sparsityOf(option), rankShareOf(option)]
  const words = [
    ...(zeros > 0 ? [`${formatPercent(zeros, 0)} zeros`] : []),
    ...(rank < 1 ? [`rank ${formatPercent(rank, 0)}`] : []),
  ]
  return words.length > 0 ? words.join(', ') : null
}

/** '4 bits', 'Q4_K', '50 % zeros, 2.6 bits', or 'Keep' for the weight as it is. */
export const optionTitle = (option: Titled): string =>
  option.method === 'keep'
    ? 'Keep'
    : [spentBeside(option), typeOf(option) ?? `${formatBits(option.bits)} ${option.bits === 1 ? 'bit' : 'bits'}`]
        .filter((part) => part !== null)
        .join(', ')

/** The same where there is room for a few letters. */
export const optionFigure = (option: Titled | undefined, bits: number): string =>
  option === undefined
    ? formatBits(bits)
    : option.method === 'keep'
      ? 'keep'
      : (typeOf(option) ?? formatBits(option.bits))

const grains: Record<string, string> = { tensor: 'per tensor', channel: 'per channel', group: 'in groups' }

/** Weights that share a scale; 0: all of a channel. */
const sharedBy = (groupSize: number): string => (groupSize > 0 ? `groups of ${groupSize}` : 'per channel')

const patterns: Record<string, string> = { unstructured: 'anywhere', columns: 'whole columns', rows: 'whole rows' }

/** What else the option says, in words: where scales are shared, then method and the other parameters. */
export function optionNote(option: PlanOption): string {
  if (option.method === 'keep') return 'as in the checkpoint'
  const {
    bits: _bits,
    granularity,
    groupSize,
    symmetric,
    type,
    weighted,
    sparsity: _zeros,
    rankShare: _rank,
    pattern,
    width,
    unit,
    ...rest
  } = option.parameters
  const grain =
    granularity === 'group' && typeof groupSize === 'number'
      ? sharedBy(groupSize)
      : typeof granularity === 'string'
        ? (grains[granularity] ?? granularity)
        : typeof groupSize === 'number'
          ? sharedBy(groupSize)
          : null
  const sign = typeof symmetric === 'boolean' ? (symmetric ? 'symmetric' : 'affine') : null
  const others = Object.entries(rest).map(
    ([name, value]) =>
      `${name.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`)} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const whole = type === undefined ? null : `${formatBits(option.bits)} bits`
  const zeros = typeof pattern === 'string' ? (patterns[pattern] ?? `${pattern} of each row`) : null
  const values = typeof width === 'number' ? `values in ${formatBits(width)} bits` : null
  const units = typeof unit === 'number' && unit > 1 ? `${formatCount(unit)} together` : null
  const weighing = weighted === true ? 'weighed by importance' : null
  const method = type === undefined ? option.method : null // the type says it
  return [whole, zeros, units, values, grain, sign, weighing, method, ...others]
    .filter((part) => part !== null)
    .join(', ')
}

/** Narrow to wide; of one width, small to large. */
export const byWidth = (a: PlanOption, b: PlanOption): number => a.bits - b.bits || a.bytes - b.bytes

/** The next narrower or wider option, for the arrow keys; null where there is none. */
export function neighbour(options: readonly PlanOption[], current: string, direction: 1 | -1): PlanOption | null {
  const sorted = [...options].sort(byWidth)
  const at = sorted.findIndex((option) => option.id === current)
  return at < 0 ? null : (sorted[at + direction] ?? null)
}

/** Where the slider goes, in steps of a twentieth: from the narrowest of all options, be it by zeros or by rank, to the widest
 *  codes that keep all weights. */
export function bitRange(options: readonly LayerOptions[] | null): { min: number; max: number } {
  const all = (options ?? []).flatMap((layer) => layer.options).filter(({ bits }) => bits < 16)
  const whole = all.filter((option) => spentBeside(option) === null)
  if (whole.length === 0) return { min: 2, max: 8 }
  const low = all.reduce((least, { bits }) => Math.min(least, bits), 16)
  const high = whole.reduce((most, { bits }) => Math.max(most, bits), 0)
  const min = Math.ceil(low * 20) / 20
  return { min, max: Math.max(min + 0.05, Math.floor(high * 20) / 20) }
}

export interface UniformLoss {
  loss: number
  /** The whole widths it lies between; both the same where the size is one of theirs. */
  below: FrontPoint
  above: FrontPoint
}

/** Loss of one width for all at a given size: between two whole widths, on a straight line of its logarithm. Null outside. */
export function uniformLossAt(uniform: readonly FrontPoint[], bytes: number): UniformLoss | null {
  const sorted = uniform.filter((point) => point.loss > 0).sort((a, b) => a.bytes - b.bytes)
  const below = sorted.findLast((point) => point.bytes <= bytes)
  const above = sorted.find((point) => point.bytes >= bytes)
  if (!below || !above) return null
  if (below.bytes === above.bytes) return { loss: below.loss, below, above }
  const share = (bytes - below.bytes) / (above.bytes - below.bytes)
  return { loss: Math.exp(Math.log(below.loss) * (1 - share) + Math.log(above.loss) * share), below, above }
}

/** 'Planned 4.5 bits', with the export format where it is not the checkpoint's usual one. */
export function planName(
  plan: Pick<LivePlan, 'predicted' | 'removed'>,
  { format, checkpoint }: Pick<Project, 'format' | 'checkpoint'>,
): string {
  const usual = checkpoint.exports.find(({ reason }) => reason === null)?.format ?? format
  const { averageBits, sparsity, rankShare } = plan.predicted
  const spent = [
    ...(sparsity >= 0.005 ? [`${formatPercent(sparsity, 0)} zeros`] : []),
    ...(rankShare <= 0.995 ? [`rank ${formatPercent(rankShare, 0)}`] : []),
    ...(plan.removed.length > 0
      ? [`without ${plan.removed.length === 1 ? 'block' : 'blocks'} ${plan.removed.join(', ')}`]
      : []),
    ...(format === usual ? [] : [format ?? '']),
  ]
  return [`Planned ${formatBits(averageBits)} bits`, ...spent].join(', ')
}
