// Cells of the table of methods, and the table as markdown.

export interface MeasuredModel {
  name: string
  checkpoint: string
  data: string
}

/** One method at one width on one model. */
export interface Measured {
  model: string
  method: string
  bits: number // asked for
  averageBits?: number // of codes, a weight
  bitsPerWeight?: number // all that the file takes for the layers
  bytes?: number // of the file
  metrics?: Record<string, number>
  original?: Record<string, number>
  refused?: string
  seconds: number
}

export const keyOf = ({ model, method, bits }: Pick<Measured, 'model' | 'method' | 'bits'>): string =>
  `${model} ${method} ${bits}`

const shown = ['perplexity', 'top1', 'sqnrDb'] as const
const figure = (value: number | undefined, digits = 4): string =>
  value === undefined ? '-' : value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(2) : value.toFixed(digits)

/** A line for the terminal. */
export function cellWords({ model, method, bits, refused, metrics = {}, original = {}, ...cell }: Measured): string {
  const head = `${model} ${method.padEnd(24)} ${String(bits).padStart(3)} bits`
  if (refused !== undefined) return `${head}  refused: ${refused}`
  const task = [...shown, 'agreement', 'crossEntropy']
    .filter((name) => metrics[name] !== undefined)
    .map(
      (name) => `${name} ${figure(metrics[name])}${original[name] === undefined ? '' : ` (${figure(original[name])})`}`,
    )
  const size = `${figure(cell.averageBits, 3)} codes ${figure(cell.bitsPerWeight, 3)} bpw  ${cell.bytes} B`
  return `${head}  ${size}  KL ${figure(metrics.klDivergence)}  ${task.join('  ')}  ${cell.seconds.toFixed(1)} s`
}

/** Rows: methods; columns: models by width. A cell: perplexity or top-1 in percent, KL divergence, bits a weight; `=` where a
 *  method has no such width and gives the file of a narrower one. */
export function markdown(cells: readonly Measured[], widths: readonly number[]): string {
  const unique = <T>(all: readonly T[]): T[] => [...new Set(all)]
  const models = unique(cells.map(({ model }) => model))
  const byKey = new Map(cells.map((cell) => [keyOf(cell), cell]))
  const columns = models.flatMap((model) => widths.map((bits) => ({ model, bits })))
  const titles = columns.map(({ model, bits }) => {
    const original = cells.find((cell) => cell.model === model && cell.original)?.original ?? {}
    return `${model} (${scoreOf(original)}), ${bits} bits`
  })
  const rows = unique(cells.map(({ method }) => method)).map((method) => {
    const own = columns.map(({ model, bits }) => {
      const cell = byKey.get(keyOf({ model, method, bits }))
      const narrower = widths
        .filter((width) => width < bits)
        .map((width) => byKey.get(keyOf({ model, method, bits: width })))
      return cell ? cellOf(cell, narrower) : ''
    })
    return `| ${[method, ...own].join(' | ')} |`
  })
  return [`| method | ${titles.join(' | ')} |`, `|${'---|'.repeat(titles.length + 1)}`, ...rows].join('\n')
}

function cellOf(
  { refused, bytes, metrics = {}, bitsPerWeight }: Measured,
  narrower: readonly (Measured | undefined)[],
) {
  if (refused !== undefined) return '–'
  if (narrower.some((other) => other?.bytes === bytes)) return '='
  return `${scoreOf(metrics)}, ${figure(metrics.klDivergence, 3)} @ ${figure(bitsPerWeight, 2)}`
}

function scoreOf({ perplexity, top1, sqnrDb }: Record<string, number>): string {
  if (perplexity !== undefined) return perplexity < 1000 ? perplexity.toFixed(2) : perplexity.toExponential(1)
  return top1 === undefined ? `${figure(sqnrDb, 1)} dB` : `${(100 * top1).toFixed(1)} %`
}
