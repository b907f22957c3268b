import type { ScoreResult } from '../../../src-preload/contract/methods.ts'
import { formatCount, formatScientific } from '../../ui/format.ts'

export interface DetailRow {
  key: string
  title: string // as a person says it
  value: number
  share: number // of the range, for its bar
  parts: (number | null)[]
}

const named: Record<ScoreResult['per'], (key: string) => string> = {
  block: (key) => `Block ${key}`,
  layer: (key) => key,
  channel: finer('channel'),
  head: finer('head'),
  expert: finer('expert'),
}
function finer(what: string) {
  return (key: string): string => {
    const at = key.lastIndexOf('/')
    if (at < 0) return key
    const owner = key.slice(0, at)
    return `${/^\d+$/.test(owner) ? `Block ${owner}` : owner}, ${what} ${key.slice(at + 1)}`
  }
}

/** Names of the further figures, in order of first appearance. */
export const partsOf = ({ values }: Pick<ScoreResult, 'values'>): string[] => [
  ...new Set(values.flatMap(({ parts }) => Object.keys(parts ?? {}))),
]

/** How figures of one name are written: counts as counts, all else to three digits. */
export function writerOf({ values }: Pick<ScoreResult, 'values'>, part: string): (value: number | null) => string {
  const all = values.flatMap(({ parts }) => parts?.[part] ?? [])
  return all.every(Number.isInteger) ? formatCount : formatScientific
}

/** The two figures that are drawn first: such as differ, where there are any. */
export function firstPair(result: Pick<ScoreResult, 'values'>): string[] {
  const varies = (part: string): boolean => new Set(result.values.map(({ parts }) => parts?.[part])).size > 1
  const parts = partsOf(result)
  return [...parts.filter(varies), ...parts.filter((part) => !varies(part))].slice(0, 2)
}

/** A key as a person says it. */
export const titleOfKey = ({ per }: Pick<ScoreResult, 'per'>, key: string): string => named[per](key)

export type DetailSort = 'order' | 'value' | 'rising'

/** A score's own values: one row a block, layer, channel, head or expert. */
export function detailRows(result: ScoreResult, sort: DetailSort): DetailRow[] {
  const all = result.values.map(({ value }) => value)
  const [low, high] = [Math.min(0, ...all), Math.max(0, ...all)]
  const parts = partsOf(result)
  const rows = result.values.map(({ key, value, parts: own }) => ({
    key,
    title: titleOfKey(result, key),
    value,
    share: high > low ? (value - low) / (high - low) : 0,
    parts: parts.map((name) => own?.[name] ?? null),
  }))
  if (sort === 'value') rows.sort((a, b) => b.value - a.value)
  if (sort === 'rising') rows.sort((a, b) => a.value - b.value)
  return rows
}

/** The layer a key is about; a block's is its first. */
export function layerOfKey(
  { per }: Pick<ScoreResult, 'per'>,
  key: string,
  layers: readonly { name: string; block: number | null }[],
): string | null {
  const at = key.lastIndexOf('/')
  const owner = per === 'layer' || per === 'block' || at < 0 ? key : key.slice(0, at)
  return layers.find(({ name, block }) => name === owner || (block !== null && String(block) === owner))?.name ?? null
}
