import type { MethodSummary } from '../../../src-preload/contract/methods.ts'
import type { ShootoutRow } from '../../../src-preload/contract/shootout.ts'
import { paretoFront, type ShootoutChartData } from '../../charts/shootout.ts'
import type { ShootoutMetric } from '../../stores/shootout.ts'
import { formatScientific, trimZeros } from '../../ui/format.ts'
import { optionNote, optionTitle } from '../plan/planRows.ts'

export interface ShootoutLine {
  key: string
  row: ShootoutRow
  title: string // '4 bits', 'Q4_K'
  note: string // 'groups of 64, symmetric'
  mark: string // the same in a few letters: 'g64 weighed'
  method: string // title of the quantizer
  look: number // which hue and shape
  error: number | null // of the metric that is looked at
  isOnFront: boolean
}

export interface Chip {
  id: string
  title: string
  summary: string
  look: number
  count: number // options tried
  isDone: boolean
  /** Why it cannot be tried; null where it can. */
  closed: string | null
}

export const lineKey = ({ method, option }: Pick<ShootoutRow, 'method' | 'option'>): string => `${method} ${option.id}`

/** Every quantizer, in the order of its registry, which gives it its look. */
export function chips(
  methods: readonly MethodSummary[],
  rows: readonly ShootoutRow[],
  { done, hasInputs }: { done: readonly string[]; hasInputs: boolean },
): Chip[] {
  return methods
    .filter(({ family }) => family === 'quantize')
    .map(({ id, title, summary, needs }, look) => ({
      ...{ id, title, summary, look },
      count: rows.filter(({ method }) => method === id).length,
      isDone: done.includes(id),
      closed:
        hasInputs || needs.every((need) => need === 'weights')
          ? null
          : 'Needs data to flow through the network: choose calibration data first.',
    }))
}

const errorOf = (row: ShootoutRow, metric: ShootoutMetric): number | null =>
  metric === 'output' ? row.outputError : row.weightError

/** What a plan would say of the option, without the quantizer: that stands beside it. */
const noteOf = ({ option, bytes }: ShootoutRow): string =>
  optionNote({ ...option, bytes: bytes ?? 0, loss: null })
    .split(', ')
    .filter((part) => part !== option.method)
    .join(', ')

/** What tells options of one width apart. */
const markOf = ({ granularity, groupSize, symmetric, weighted }: ShootoutRow['option']['parameters']): string =>
  [
    granularity === 'channel' ? 'channel' : typeof groupSize === 'number' ? `g${groupSize}` : null,
    symmetric === false ? 'affine' : null,
    weighted === true ? 'weighed' : null,
  ]
    .filter((part) => part !== null)
    .join(' ')

/** Rows as they are shown: those of quantizers that are on, each with its place on the front of what is on. */
export function shootoutLines(
  rows: readonly ShootoutRow[],
  quantizers: readonly Chip[],
  { metric, off, text }: { metric: ShootoutMetric; off: ReadonlySet<string>; text: string },
): ShootoutLine[] {
  const known = new Map(quantizers.map((chip) => [chip.id, chip]))
  const shown = rows.filter(({ method }) => !off.has(method))
  const marks = shown.flatMap((row) => {
    const y = errorOf(row, metric)
    return row.bitsPerWeight === null || y === null ? [] : [{ key: lineKey(row), x: row.bitsPerWeight, y }]
  })
  const front = new Set(paretoFront(marks).map(({ key }) => key))
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  return shown.flatMap((row) => {
    const chip = known.get(row.method)
    const key = lineKey(row)
    const line: ShootoutLine = {
      ...{ key, row },
      title: optionTitle(row.option),
      note: noteOf(row),
      mark: markOf(row.option.parameters),
      method: chip?.title ?? row.method,
      look: chip?.look ?? 0,
      error: errorOf(row, metric),
      isOnFront: front.has(key),
    }
    const said = `${line.method} ${row.method} ${line.title} ${line.note} ${row.option.id}`.toLowerCase()
    return words.every((word) => said.includes(word)) ? [line] : []
  })
}

/** Error as decibels of signal to noise: 20 dB is a hundredth of the energy, 6 dB about one bit. */
export const decibels = (error: number): number => -10 * Math.log10(error)

const titles: Record<ShootoutMetric, string> = {
  output: 'error of the layer’s output, relative',
  weight: 'error of the weights, relative',
}

export function shootoutChart(
  lines: readonly ShootoutLine[],
  { metric, chosen, hovered }: { metric: ShootoutMetric; chosen: string | null; hovered: string | null },
): ShootoutChartData {
  const marks = lines.flatMap(({ key, row, error, look, isOnFront }) =>
    row.bitsPerWeight === null || error === null || error <= 0 // a logarithmic axis has no zero
      ? []
      : [{ key, x: row.bitsPerWeight, y: error, look, method: row.method, isOnFront }],
  )
  const byMethod = Map.groupBy(marks, ({ method }) => method)
  return {
    series: [...byMethod].map(([id, own]) => ({ id, look: own[0]?.look ?? 0, marks: own })),
    front: marks.filter(({ isOnFront }) => isOnFront).sort((a, b) => a.x - b.x),
    chosen,
    hovered,
    y: { title: titles[metric], write: (value) => trimZeros(formatScientific(value)) },
  }
}
