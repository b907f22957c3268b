import type { ScatterMark } from '../../charts/scatter.ts'
import { measuredLoss } from '../../stores/scores.ts'
import type { AnyColumn } from './rankRows.ts'

export interface Pair {
  x: AnyColumn | null
  y: AnyColumn | null
}

/** The columns chosen; without a choice the first score against the measured loss, or against the next score. */
export function defaultPair(columns: readonly AnyColumn[], asked: { x: string | null; y: string | null }): Pair {
  const byId = (id: string | null) => columns.find((column) => column.id === id) ?? null
  const scores = columns.filter(({ id }) => id !== measuredLoss)
  const x = byId(asked.x) ?? scores[0] ?? null
  const y = byId(asked.y) ?? byId(measuredLoss) ?? scores.find((column) => column !== x) ?? x
  return { x, y }
}

/** Layers that both have a value for, in the order of the first. */
export const pairMarks = ({ x, y }: Pair): ScatterMark[] =>
  x && y
    ? [...x.values].flatMap(([key, value]) => {
        const other = y.values.get(key)
        return other === undefined ? [] : [{ key, x: value, y: other }]
      })
    : []
