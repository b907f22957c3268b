export { formatBytes, formatMetric } from '../app/words.ts'

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
