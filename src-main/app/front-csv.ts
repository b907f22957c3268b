import type { Front } from '../../src-preload/contract/results.ts'

const cell = (value: string | number | null): string => {
  const words = value === null ? '' : String(value)
  // A leading = + - @ would be a formula in a spreadsheet; numbers stay numbers.
  const safe = typeof value === 'string' && /^[=+\-@\t]/.test(words) ? `'${words}` : words
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** Of the exported file: seconds of one sample and bytes at the peak, as it was run here, then as predicted. */
const costs = ['fileSeconds', 'memory', 'predictedMemory', 'predictedSeconds'] as const

/** Everything drawn, one row a point; `source` keeps measured, predicted and imported apart. RFC 4180, read back by
 *  front-file.ts. */
export function frontCsv(front: Front): string {
  const metrics = [
    ...new Set([
      'klDivergence',
      ...front.measured.flatMap((point) => Object.keys(point.metrics)),
      ...front.imported.flatMap(({ points }) => points.flatMap((point) => Object.keys(point.metrics))),
    ]),
  ]
  const head = ['source', 'label', 'kind', 'bytes', 'bits', 'predictedLoss', 'format', 'seconds', ...costs]
  const none = costs.map(() => null)
  const columns = metrics.flatMap((name) => [name, `${name}Low`, `${name}High`])
  const judged = (found: Front['measured'][number]['metrics']): (number | null)[] =>
    metrics.flatMap((name) => {
      const metric = found[name]
      return metric ? [metric.value, metric.low, metric.high] : [null, null, null]
    })
  const guessed = (point: Front['predicted'][number]): (number | null)[] =>
    metrics.flatMap((name) =>
      name === 'klDivergence' ? [point.loss, point.lossLow, point.lossHigh] : [null, null, null],
    )
  const predicted = (source: string, kind: string, points: Front['predicted']): (string | number | null)[][] =>
    points.map((point) => [
      ...[source, '', kind, point.bytes, point.averageBits, point.loss, null, null],
      ...[null, null, point.predictedMemory, point.predictedSeconds],
      ...guessed(point),
    ])
  const rows: (string | number | null)[][] = [
    [...head, ...columns],
    ...front.measured.map((point) => [
      ...['measured', point.label, point.kind],
      ...[point.bytes, point.averageBits, point.predictedLoss, point.format, point.seconds],
      ...[point.fileSeconds, point.memory, point.predictedMemory, point.predictedSeconds],
      ...judged(point.metrics),
    ]),
    ...front.imported.flatMap(({ title, points }) =>
      points.map((point) => [
        ...[title, point.label, point.kind],
        ...[point.bytes, point.averageBits, null, null, null, ...none],
        ...judged(point.metrics),
      ]),
    ),
    ...predicted('predicted', 'planned', front.predicted),
    ...predicted('predicted', 'uniform', front.uniform),
    ...front.curves.flatMap(({ lever, points }) => predicted(`predicted, ${lever} alone`, 'planned', points)),
  ]
  return rows.map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n'
}
