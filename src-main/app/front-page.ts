import type { FrontAxis } from '../../src-preload/contract/front-axis.ts'
import type { Project } from '../../src-preload/contract/project.ts'
import type { Evaluation, Front, MeasuredPoint, Metric } from '../../src-preload/contract/results.ts'
import { isDominated } from './front-dominance.ts'
import { escapeText, frontSvg } from './front-svg.ts'
import { formatBytes, formatMetric, metricTitle } from './words.ts'

const STYLE = `:root{color-scheme:light dark}body{--ink:#191c1f;--soft:#5a6168;--paper:#f5f5f2;--card:#fff;--line:#e3e3de;font:15px/1.55 Inter,'Segoe UI',system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1040px;margin:36px auto;padding:0 20px}
@media screen and (prefers-color-scheme:dark){body{--ink:#eceef0;--soft:#a3aab1;--paper:#121416;--card:#1a1d20;--line:#2c3035}}
h1{font-size:24px;margin:0 0 4px}h2{font-size:17px;margin:32px 0 8px}p{color:var(--soft);margin:4px 0 16px}figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:12px;overflow:hidden}svg{display:block;width:100%;height:auto}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}td,th{padding:6px 10px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}td:first-child,th:first-child{text-align:left}tr.faded{opacity:1}tr.faded td{color:var(--soft)}small{display:block;color:var(--soft)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 20px;font-size:14px}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
@media print{:root{color-scheme:light}body{--paper:#fff;max-width:none;margin:0;padding:0;font-size:12px}.scroll{overflow:visible}table,dl{font-size:10.5px}td,th{padding:3px 5px;white-space:normal}figure,tr{break-inside:avoid}h2{break-after:avoid}}`

const table = (head: readonly string[], rows: readonly string[]): string =>
  `<div class="scroll"><table><thead><tr>${head.map((name) => `<th>${escapeText(name)}</th>`).join('')}</tr></thead><tbody>\n${rows.join('\n')}\n</tbody></table></div>`

const metricCell = (name: string, metric: Metric | undefined): string => {
  if (!metric) return '<td>–</td>'
  const interval =
    metric.low === null || metric.high === null
      ? ''
      : `<small>${formatMetric(name, metric.low)} … ${formatMetric(name, metric.high)}</small>`
  return `<td>${formatMetric(name, metric.value)}${interval}</td>`
}

const costCells = ({ memory, predictedMemory, fileSeconds }: MeasuredPoint): string =>
  `<td>${memory === null ? 'not measured' : formatBytes(memory)}${predictedMemory === null ? '' : `<small>predicted ${formatBytes(predictedMemory)}</small>`}</td><td>${fileSeconds === null ? 'not measured' : `${(1000 * fileSeconds).toPrecision(3)} ms`}</td>`

const newest = ({ evaluations }: Project, variant: string | null): Evaluation | undefined =>
  evaluations.findLast((one) => one.variant === variant && one.part === 'evaluate' && one.against === undefined)

/** Where a measured row comes from, in words. */
function provenance(project: Project, point: MeasuredPoint): string {
  const one = newest(project, point.variant)
  if (!one) return ''
  return `${one.samples} samples, ${one.predictions} predictions, ${one.seconds.toFixed(1)} s on ${one.device}`
}

/** One self-contained page: the chart, its tables and where each number comes from. Loads nothing. */
export function frontPage(project: Project, front: Front, axis: FrontAxis = 'size'): string {
  const { checkpoint, data } = project
  const names = [...new Set(front.measured.flatMap((point) => Object.keys(point.metrics)))].filter(
    (name) => name !== 'klDivergence',
  )
  const judged = front.measured.filter(({ kind }) => kind !== 'original')
  const measured = [...front.measured]
    .sort((a, b) => b.bytes - a.bytes)
    .map(
      (point) =>
        `<tr${point.kind !== 'original' && isDominated(point, judged) ? ' class="faded"' : ''}><td>${escapeText(point.label)}<small>${escapeText(provenance(project, point))}</small></td><td>${formatBytes(point.bytes)}</td><td>${point.averageBits.toFixed(2)}</td>${costCells(point)}${
          point.kind === 'original'
            ? '<td>0<small>by definition</small></td>'
            : metricCell('klDivergence', { value: point.loss, low: point.lossLow, high: point.lossHigh })
        }<td>${point.predictedLoss === null ? '–' : formatMetric('klDivergence', point.predictedLoss)}</td>${names.map((name) => metricCell(name, point.metrics[name])).join('')}</tr>`,
    )
  const every = Math.max(1, Math.ceil(front.predicted.length / 24))
  const predicted = front.predicted
    .filter((_, i) => i % every === 0)
    .map(
      ({ bytes, averageBits, predictedMemory, loss, lossLow, lossHigh }) =>
        `<tr><td>${formatBytes(bytes)}</td><td>${averageBits.toFixed(2)}</td><td>${predictedMemory === null ? '–' : formatBytes(predictedMemory)}</td>${metricCell('klDivergence', { value: loss, low: lossLow, high: lossHigh })}</tr>`,
    )
  const imported = front.imported.map(
    ({ title, from, points, notices }) =>
      `<h2>${escapeText(title)}</h2><p>Imported from ${escapeText(from)}. ${escapeText(notices.join(' '))}</p>` +
      table(
        ['label', 'size', 'KL divergence'],
        points.map(
          ({ label, bytes, metrics }) =>
            `<tr><td>${escapeText(label)}</td><td>${formatBytes(bytes)}</td>${metricCell('klDivergence', metrics.klDivergence)}</tr>`,
        ),
      ),
  )
  const { points, spearman, factor } = front.calibration
  const facts: [string, string][] = [
    ['Checkpoint', `${checkpoint.name}, ${checkpoint.format}, ${formatBytes(checkpoint.bytes)}`],
    ['Fingerprint', checkpoint.fingerprint],
    [
      'Measured on',
      data
        ? `${data.evaluate} ${data.unit} of ${data.path} (${data.split}); fingerprint ${data.fingerprint}`
        : 'nothing',
    ],
    ['Planned on', data ? `${data.calibrate} other ${data.unit}` : 'the weights alone'],
    ['How losses are predicted', front.source],
    [
      'Correction',
      points === 0
        ? 'none: no variant is measured yet, so the band is a guess'
        : `times ${factor.toPrecision(3)}, from ${points} measured variants${spearman === null ? '' : `; they are ranked with Spearman ${spearman.toFixed(3)}`}`,
    ],
    ['Bytes', `of the exported file, in the format "${project.format ?? ''}"`],
    ['Peak memory', front.memorySource],
    ['Time', 'of one sample (an image, a token) in the exported file, run by itself on the CPU'],
    ['Intervals', '95 %: of measurements from the spread over samples, of predictions from their errors so far'],
  ]
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeText(checkpoint.name)} · front</title><style>${STYLE}</style></head><body>
<h1>${escapeText(checkpoint.name)}: accuracy against size</h1>
<p>Line and band: predicted. Dots with bars: measured; faded ones are beaten in both size and loss by another.</p>
<figure>${frontSvg(front, checkpoint.name, axis).replace(/ xmlns="[^"]*"/, '')}</figure>
<h2>Measured</h2>
${table(['variant', 'size', 'bits', 'peak memory', 'time', 'KL divergence', 'predicted', ...names.map(metricTitle)], measured)}
${imported.join('\n')}
<h2>Predicted</h2>
${table(['size', 'bits', 'peak memory', 'KL divergence'], predicted)}
<h2>Where the numbers come from</h2>
<dl>${facts.map(([name, words]) => `<dt>${escapeText(name)}</dt><dd>${escapeText(words)}</dd>`).join('')}</dl>
</body></html>
`
}
