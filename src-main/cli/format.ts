/** Words for people: sizes in decimal units, as file managers and model cards give them. */
export function formatBytes(bytes: number): string {
  if (bytes < 999.5) return `${Math.round(bytes)} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = bytes / 1000
  let unit = 0
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${value.toFixed(value < 9.995 ? 2 : 1)} ${units[unit]}`
}

export function formatCount(count: number): string {
  if (count < 10_000) return String(count)
  if (count < 999_950) return `${(count / 1000).toFixed(1)} k`
  if (count < 999_995_000) return `${(count / 1_000_000).toFixed(2)} M`
  return `${(count / 1_000_000_000).toFixed(2)} B`
}

export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`
  const tenths = Math.round(milliseconds / 100)
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`
  const seconds = Math.round(milliseconds / 1000)
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

const SHARES = new Set(['top1', 'top5', 'agreement', 'top1Difference'])

/** A metric the way the field prints it: shares in percent, losses with four significant digits. */
export function formatMetric(name: string, value: number): string {
  if (SHARES.has(name)) return `${(value * 100).toFixed(2)} %`
  if (name === 'perplexity') return value.toFixed(4)
  if (name === 'crossEntropy') return value.toFixed(5)
  if (name === 'sqnrDb') return `${value.toFixed(1)} dB`
  if (value === 0) return '0'
  return Math.abs(value) >= 0.01 ? value.toFixed(4) : value.toExponential(2)
}

/** Plain text table; numbers to the right. Columns that are words in every row go to the left. */
export function formatTable(head: string[], rows: string[][]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)))
  const right = head.map(
    (_, column) =>
      rows.length > 0 && rows.every((row) => /^[-+<≈]?[\d.]/.test(row[column] ?? '') || (row[column] ?? '') === '–'),
  )
  const render = (row: string[]) =>
    row
      .map((cell, column) => (right[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd()
  return [render(head), widths.map((width) => '─'.repeat(width)).join('  '), ...rows.map(render)].join('\n')
}
