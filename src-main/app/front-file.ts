import { z } from 'zod'
import { Fault } from '../../src-preload/contract/fault.ts'
import { type ImportedPoint, metricSchema } from '../../src-preload/contract/results.ts'

// Fronts as files: CSV with a heading, or JSON. Columns `label`, `bytes`, `bits`, `kind`; all other numeric ones are metrics, by
// the names that evaluations have; `<metric>Low` and `<metric>High` are its interval. What `lathe front --csv` and `--json`
// write is read back.

export interface FrontFile {
  points: ImportedPoint[]
  checkpoint: string | null
  data: string | null
  notices: string[]
}

const jsonPoint = z.looseObject({
  label: z.coerce.string().default(''),
  bytes: z.number().positive(),
  averageBits: z.number().nullable().default(null),
  kind: z.enum(['original', 'planned', 'uniform']).catch('planned'),
  metrics: z.record(z.string(), z.union([z.number(), metricSchema])).default({}),
})
const jsonFront = z.looseObject({
  measured: z.array(jsonPoint).optional(),
  points: z.array(jsonPoint).optional(),
  checkpoint: z.string().nullable().default(null),
  data: z.string().nullable().default(null),
})

/** Faults name the file and the line or field. */
export const readFrontFile = (file: string, text: string): FrontFile =>
  /^\s*[[{]/.test(text) ? readJson(file, text) : readCsv(file, text)

const bad = (file: string, words: string, more: Record<string, string | number> = {}): Fault =>
  new Fault('bad-input', `${file}: ${words}`, {
    hint: 'A front is a CSV with the columns label, bytes and one or more metrics (klDivergence, perplexity, top1 ...), or the same as JSON.',
    data: { file, ...more },
  })

function readJson(file: string, text: string): FrontFile {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    throw bad(file, `not JSON (${(error as Error).message}).`)
  }
  const parsed = jsonFront.safeParse(Array.isArray(document) ? { points: document } : document)
  if (!parsed.success) throw bad(file, `not a front. ${z.prettifyError(parsed.error)}`)
  const { measured, points = measured ?? [], checkpoint, data } = parsed.data
  const read = points.map(({ label, bytes, averageBits, kind, metrics, ...rest }, i): ImportedPoint => {
    const loose = Object.entries(rest).filter((pair): pair is [string, number] => typeof pair[1] === 'number')
    const all = { ...intervalsOf(Object.fromEntries(loose.filter(([name]) => !layout.has(name)))), ...metrics }
    return {
      ...{ label: label || `point ${i + 1}`, bytes, averageBits, kind },
      metrics: Object.fromEntries(
        Object.entries(all).map(([name, value]) => [
          name,
          typeof value === 'number' ? { value, low: null, high: null } : value,
        ]),
      ),
    }
  })
  return { points: checked(file, read), checkpoint, data, notices: [] }
}

/** Names in a point that are no metrics. */
const layout = new Set([
  ...['label', 'bytes', 'bits', 'averageBits', 'kind', 'variant', 'format', 'pinned', 'seconds', 'memory'],
  ...['fileSeconds', 'predictedMemory', 'predictedSeconds'],
  ...['loss', 'lossLow', 'lossHigh', 'predictedLoss'],
])

function readCsv(file: string, text: string): FrontFile {
  const [heading, ...rows] = csvRows(text).filter((row) => row.some((cell) => cell.trim() !== ''))
  const names = (heading ?? []).map((name) => name.trim())
  const at = (...wanted: string[]): number => names.findIndex((name) => wanted.includes(name))
  const [label, bytes, bits, kind] = [at('label', 'name'), at('bytes'), at('bits', 'averageBits'), at('kind')]
  if (bytes < 0) throw bad(file, `no column "bytes" (found: ${names.join(', ')}).`, { field: 'bytes' })
  const notices: string[] = []
  const points = rows.flatMap((row, i): ImportedPoint[] => {
    const size = numberIn(row[bytes])
    if (size === null || size <= 0) {
      notices.push(`Line ${i + 2} is passed over: "${row[bytes] ?? ''}" is no size.`)
      return []
    }
    const values = names.flatMap((name, column): [string, number][] => {
      const value = layout.has(name) ? null : numberIn(row[column])
      return value === null ? [] : [[name, value]]
    })
    const word = row[kind]?.trim()
    return [
      {
        label: row[label]?.trim() || `point ${i + 1}`,
        bytes: size,
        averageBits: numberIn(row[bits]),
        kind: word === 'original' || word === 'uniform' ? word : 'planned',
        metrics: intervalsOf(Object.fromEntries(values)),
      },
    ]
  })
  return { points: checked(file, points), checkpoint: null, data: null, notices }
}

const numberIn = (cell: string | undefined): number | null => {
  if (cell === undefined || cell.trim() === '') return null
  const value = Number(cell)
  return Number.isFinite(value) ? value : null
}

/** `x`, `xLow`, `xHigh` become one metric. */
function intervalsOf(values: Record<string, number>): ImportedPoint['metrics'] {
  const isBound = (name: string): boolean => /(Low|High)$/.test(name) && name.replace(/(Low|High)$/, '') in values
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      isBound(name) ? [] : [[name, { value, low: values[`${name}Low`] ?? null, high: values[`${name}High`] ?? null }]],
    ),
  )
}

function checked(file: string, points: ImportedPoint[]): ImportedPoint[] {
  if (points.length === 0) throw bad(file, 'no point in it has a size.')
  if (points.every(({ metrics }) => Object.keys(metrics).length === 0))
    throw bad(file, 'its points have sizes and no metric.')
  return points
}

/** RFC 4180: commas, quotes doubled inside quotes, either line end. */
export function csvRows(text: string): string[][] {
  const rows: string[][] = [[]]
  const pattern = /("(?:[^"]|"")*"|[^,\r\n]*)(,|\r\n|\n|\r|$)/gy
  const body = text.replace(/^\uFEFF/, '')
  for (let found = pattern.exec(body); found !== null; found = pattern.exec(body)) {
    const [, cell = '', end = ''] = found
    rows.at(-1)?.push(cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell)
    if (end === '') break
    if (end !== ',') rows.push([])
  }
  return rows
}
