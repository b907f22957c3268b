import type { LayerSummary } from '../../../src-preload/contract/model.ts'
import { networkOrder, type RankSort } from '../../stores/scores.ts'
import { formatScientific } from '../../ui/format.ts'
import { type Column, placeOf } from './columns.ts'

export interface RankCell {
  text: string // the rank
  heat: number // 1 of the highest .. 0 of the lowest
  tip: string
}
export interface RankRow {
  layer: LayerSummary
  cells: (RankCell | null)[] // one a column; null: it says nothing of this layer
}

/** Beside the scores' columns, the measured loss as one more where it is known. */
export type AnyColumn = Pick<Column, 'id' | 'title' | 'values' | 'ranks'> & { unit: string }

const whole = (rank: number): string => (Number.isInteger(rank) ? `${rank}` : rank.toFixed(1))

function cell({ title, values, ranks, unit }: AnyColumn, name: string): RankCell | null {
  const [value, rank] = [values.get(name), ranks.get(name)]
  if (value === undefined || rank === undefined) return null
  return {
    text: whole(rank),
    heat: 1 - placeOf(rank, ranks.size),
    tip: `${title}: ${formatScientific(value)}${unit}, rank ${whole(rank)} of ${ranks.size}`,
  }
}

/** Rows of the heat map, sorted; what a column says nothing of stands last either way. */
export function rankRows(
  layers: readonly LayerSummary[],
  columns: readonly AnyColumn[],
  { sort, text }: { sort: RankSort; text: string },
): RankRow[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const shown = layers.filter(({ name, role }) => words.every((word) => `${name} ${role}`.toLowerCase().includes(word)))
  const by = columns.find(({ id }) => id === sort.by)
  const sorted = [...shown]
  if (sort.by === networkOrder || !by) {
    if (!sort.isRising) sorted.reverse()
  } else {
    const turn = sort.isRising ? -1 : 1 // falling values first: rank 1 on top
    const rank = ({ name }: LayerSummary): number => by.ranks.get(name) ?? Infinity
    sorted.sort((a, b) => {
      const [x, y] = [rank(a), rank(b)]
      if (x === y) return 0
      if (!Number.isFinite(x) || !Number.isFinite(y)) return x - y
      return turn * (x - y)
    })
  }
  return sorted.map((layer) => ({ layer, cells: columns.map((column) => cell(column, layer.name)) }))
}
