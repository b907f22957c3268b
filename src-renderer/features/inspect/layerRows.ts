import { layerScores } from '../../../src-preload/contract/layer-scores.ts'
import type { ScoreResult } from '../../../src-preload/contract/methods.ts'
import type { LayerSummary, Role } from '../../../src-preload/contract/model.ts'

export interface LayerRow {
  layer: LayerSummary
  /** Importance from the chosen score, and its share of the highest; null without one. */
  score: number | null
  scoreShare: number
  sizeShare: number
}

export function layerRows(layers: readonly LayerSummary[], score: ScoreResult | null): LayerRow[] {
  const values = score ? layerScores(layers, score) : new Map<string, number>()
  const scores = layers.map((layer) => values.get(layer.name) ?? null)
  const largest = Math.max(1, ...layers.map((layer) => layer.bytes))
  const known = scores.filter((value) => value !== null)
  const highest = Math.max(...known, 0)
  const lowest = Math.min(...known, 0)
  const span = highest - lowest || 1
  return layers.map((layer, i) => {
    const value = scores[i] ?? null
    return {
      layer,
      score: value,
      scoreShare: value === null ? 0 : (value - lowest) / span,
      sizeShare: layer.bytes / largest,
    }
  })
}

export interface LayerFilter {
  text: string
  role: Role | 'all'
  onlyCompressible: boolean
}

/** Words may stand in any order; each must occur in the name, the role or the type. */
export function filterRows(rows: readonly LayerRow[], filter: LayerFilter): LayerRow[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean)
  return rows.filter(({ layer }) => {
    if (filter.role !== 'all' && layer.role !== filter.role) return false
    if (filter.onlyCompressible && !layer.compressible) return false
    const text = `${layer.name} ${layer.role} ${layer.dtype} ${layer.stored ?? ''}`.toLowerCase()
    return words.every((word) => text.includes(word))
  })
}

export type Line<R> =
  { kind: 'row'; row: R } | { kind: 'block'; block: number | null; count: number; bytes: number; isOpen: boolean }

/** Rows under their blocks' headings, blocks in order of first appearance; closed blocks keep only their heading. */
export function groupByBlock<R>(
  rows: readonly R[],
  of: (row: R) => { block: number | null; bytes: number },
  closed: ReadonlySet<number | null>,
): Line<R>[] {
  const groups = new Map<number | null, R[]>()
  for (const row of rows) {
    const { block } = of(row)
    const group = groups.get(block)
    if (group) group.push(row)
    else groups.set(block, [row])
  }
  return [...groups].flatMap(([block, members]): Line<R>[] => {
    const isOpen = !closed.has(block)
    const bytes = members.reduce((sum, row) => sum + of(row).bytes, 0)
    const heading: Line<R> = { kind: 'block', block, count: members.length, bytes, isOpen }
    return isOpen ? [heading, ...members.map((row): Line<R> => ({ kind: 'row', row }))] : [heading]
  })
}

export const blockTitle = (block: number | null): string => (block === null ? 'Outside blocks' : `Block ${block}`)
