import type { Project } from '../../src-preload/contract/project.ts'
import type { Front, FrontPoint, MeasuredPoint } from '../../src-preload/contract/results.ts'
import { formatBytes, formatMetric } from './format.ts'

const WIDTH = 880
const HEIGHT = 460
const EDGE = { left: 78, right: 24, top: 20, bottom: 52 }

const escape = (words: string) =>
  words.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? c)

interface Scale {
  at(value: number): number
  ticks: number[]
}

/** Linear from 0 in steps of 1, 2 or 5 times a power of ten. */
function linear(most: number, from: number, to: number): Scale {
  const rough = most / 6
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((k) => k * power).find((each) => each >= rough) ?? rough
  const top = Math.ceil(most / step) * step
  return {
    at: (value) => from + (value / top) * (to - from),
    ticks: Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step),
  }
}

/** Powers of ten that hold all positive values. */
function logarithmic(values: number[], from: number, to: number): Scale {
  const positive = values.filter((value) => value > 0)
  const low = Math.floor(Math.log10(Math.min(...positive, 1)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...positive, 10 ** low))))
  return {
    at: (value) => from + ((Math.log10(Math.max(value, 10 ** low)) - low) / (high - low)) * (to - from),
    ticks: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)),
  }
}

function chart(front: Front): string {
  const points: FrontPoint[] = [
    ...front.predicted,
    ...front.uniform,
    ...front.measured.filter((point) => point.kind !== 'original'),
  ]
  if (points.length === 0) return '<p>Nothing is predicted or measured yet.</p>'
  const x = linear(Math.max(...points.map((point) => point.bytes)), EDGE.left, WIDTH - EDGE.right)
  const y = logarithmic(
    points.flatMap((point) => [point.loss, point.lossHigh]),
    HEIGHT - EDGE.bottom,
    EDGE.top,
  )
  const place = (point: FrontPoint, loss = point.loss) => `${x.at(point.bytes).toFixed(1)},${y.at(loss).toFixed(1)}`
  const sorted = [...front.predicted].sort((a, b) => a.bytes - b.bytes)
  const band = [
    ...sorted.map((point) => place(point, point.lossHigh)),
    ...[...sorted].reverse().map((point) => place(point, point.lossLow)),
  ]
  const tell = (point: MeasuredPoint) =>
    [
      point.label,
      formatBytes(point.bytes),
      `measured KL ${formatMetric('klDivergence', point.loss)}`,
      ...Object.entries(point.metrics).map(([name, m]) => `${name} ${formatMetric(name, m.value)}`),
    ].join('\n')
  const dot = (point: MeasuredPoint) =>
    `<line class="${point.kind}" x1="${x.at(point.bytes)}" x2="${x.at(point.bytes)}" y1="${y.at(point.lossLow)}" y2="${y.at(point.lossHigh)}"/><circle class="${point.kind}" r="5" cx="${x.at(point.bytes)}" cy="${y.at(point.loss)}"><title>${escape(tell(point))}</title></circle>`
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="KL divergence against size">
${x.ticks.map((t) => `<line class="grid" x1="${x.at(t)}" x2="${x.at(t)}" y1="${EDGE.top}" y2="${HEIGHT - EDGE.bottom}"/><text x="${x.at(t)}" y="${HEIGHT - EDGE.bottom + 20}" text-anchor="middle">${formatBytes(t)}</text>`).join('\n')}
${y.ticks.map((t) => `<line class="grid" x1="${EDGE.left}" x2="${WIDTH - EDGE.right}" y1="${y.at(t)}" y2="${y.at(t)}"/><text x="${EDGE.left - 10}" y="${y.at(t) + 4}" text-anchor="end">${t >= 0.01 ? t : t.toExponential(0)}</text>`).join('\n')}
<polygon class="band" points="${band.join(' ')}"/>
<polyline class="predicted" points="${sorted.map((point) => place(point)).join(' ')}"/>
${front.measured
  .filter((point) => point.kind !== 'original')
  .map(dot)
  .join('\n')}
<text x="${WIDTH / 2}" y="${HEIGHT - 10}" text-anchor="middle">size of the exported file</text>
<text transform="translate(16 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">KL divergence to the original, nats</text>
</svg>`
}

const STYLE = `:root{color-scheme:light dark;--ink:#1b1f27;--soft:#5c6470;--paper:#fbfbfc;--line:#e3e6ea;--accent:#3457d5;--other:#b4632a}
@media(prefers-color-scheme:dark){:root{--ink:#e9ebef;--soft:#9aa3af;--paper:#14171c;--line:#2a2f37;--accent:#8ea6ff;--other:#e0a06c}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:920px;margin:40px auto;padding:0 20px}
h1{font-size:22px;margin:0 0 4px}p{color:var(--soft);margin:4px 0 20px}svg{width:100%;height:auto}text{fill:var(--soft);font-size:12px}
.grid{stroke:var(--line)}.band{fill:var(--accent);opacity:.12}.predicted{fill:none;stroke:var(--accent);stroke-width:2;stroke-dasharray:5 4}
circle.planned{fill:var(--accent)}line.planned{stroke:var(--accent)}circle.uniform{fill:var(--paper);stroke:var(--other);stroke-width:2}line.uniform{stroke:var(--other)}
table{border-collapse:collapse;width:100%;margin-top:24px;font-variant-numeric:tabular-nums}td,th{padding:6px 10px;border-bottom:1px solid var(--line);text-align:right}td:first-child,th:first-child{text-align:left}
.key span{margin-right:18px}`

/** One self-contained page: the chart, its table and where the numbers come from. Loads nothing. */
export function frontPage(project: Project, front: Front): string {
  const names = [...new Set(front.measured.flatMap((point) => Object.keys(point.metrics)))].filter(
    (name) => name !== 'klDivergence',
  )
  const rows = [...front.measured].sort((a, b) => b.bytes - a.bytes)
  const cells = (point: MeasuredPoint) =>
    [
      point.label,
      formatBytes(point.bytes),
      point.averageBits.toFixed(2),
      formatMetric('klDivergence', point.loss),
      ...names.map((name) => (point.metrics[name] ? formatMetric(name, point.metrics[name].value) : '–')),
    ].map((cell) => `<td>${escape(cell)}</td>`)
  const data = project.data
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escape(project.checkpoint.name)} · front</title><style>${STYLE}</style></head><body>
<h1>${escape(project.checkpoint.name)}: accuracy against size</h1>
<p>${data ? `Measured on ${data.evaluate} ${escape(data.unit)} of ${escape(data.path)}; planned on ${data.calibrate} others (${escape(data.split)}).` : ''} Dashed line and band: predicted. Filled dots: planned mixes, measured. Open dots: one width for all, measured. Bars: 95 % interval.</p>
${chart(front)}
<table><thead><tr>${['variant', 'size', 'bits', 'KL divergence', ...names].map((name) => `<th>${escape(name)}</th>`).join('')}</tr></thead><tbody>
${rows.map((point) => `<tr>${cells(point).join('')}</tr>`).join('\n')}
</tbody></table>
<p>Predicted against measured: ${front.calibration.points} points${front.calibration.spearman === null ? '' : `, Spearman ${front.calibration.spearman.toFixed(3)}`}.</p>
</body></html>
`
}
