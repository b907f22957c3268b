import type { LayerSummary } from '../../../src-preload/contract/model.ts'
import type { LayerPlan, Plan } from '../../../src-preload/contract/plan.ts'
import type { FrontPoint } from '../../../src-preload/contract/results.ts'
import type { LayerOptions } from '../../stores/project.ts'

export type PlanOption = LayerOptions['options'][number]

export interface PlanRow {
  plan: LayerPlan
  layer: LayerSummary | null
  block: number | null
  bytes: number
  /** Share of the plan's whole predicted loss. */
  lossShare: number
}

export function planRows(plan: Plan, layers: ReadonlyMap<string, LayerSummary>): PlanRow[] {
  const total = plan.layers.reduce((sum, row) => sum + Math.max(0, row.loss), 0)
  return plan.layers.map((row) => {
    const layer = layers.get(row.name) ?? null
    return {
      plan: row,
      layer,
      block: layer?.block ?? null,
      bytes: row.bytes,
      lossShare: total > 0 ? Math.max(0, row.loss) / total : 0,
    }
  })
}

/** '4 bits', or 'Keep' for the weight as it is. */
export function optionTitle(option: { method: string; bits: number }): string {
  return option.method === 'keep' ? 'Keep' : `${option.bits} bits`
}

const grains: Record<string, string> = { tensor: 'per tensor', channel: 'per channel', group: 'in groups' }

/** What else the option says, in words: where scales are shared, then method and the other parameters. */
export function optionNote(option: PlanOption): string {
  if (option.method === 'keep') return 'as in the checkpoint'
  const { bits: _bits, granularity, groupSize, symmetric, ...rest } = option.parameters
  const grain =
    granularity === 'group' && typeof groupSize === 'number'
      ? `groups of ${groupSize}`
      : typeof granularity === 'string'
        ? (grains[granularity] ?? granularity)
        : typeof groupSize === 'number'
          ? `groups of ${groupSize}`
          : null
  const sign = typeof symmetric === 'boolean' ? (symmetric ? 'symmetric' : 'affine') : null
  const others = Object.entries(rest).map(
    ([name, value]) =>
      `${name.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`)} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  return [grain, sign, option.method, ...others].filter((part) => part !== null).join(', ')
}

/** Narrow to wide; of one width, small to large. */
export const byWidth = (a: PlanOption, b: PlanOption): number => a.bits - b.bits || a.bytes - b.bytes

/** The next narrower or wider option, for the arrow keys; null where there is none. */
export function neighbour(options: readonly PlanOption[], current: string, direction: 1 | -1): PlanOption | null {
  const sorted = [...options].sort(byWidth)
  const at = sorted.findIndex((option) => option.id === current)
  return at < 0 ? null : (sorted[at + direction] ?? null)
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
