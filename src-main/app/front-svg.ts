import { axisRule, type Costs, type FrontAxis } from '../../src-preload/contract/front-axis.ts'
import type { Front, FrontPoint, ImportedPoint, Lever, MeasuredPoint } from '../../src-preload/contract/results.ts'
import { isDominated } from './front-dominance.ts'
import { formatBytes, formatMetric, metricTitle } from './words.ts'

// The front as a picture that needs no browser: KL divergence against size or another axis, both logarithmic.

const WIDTH = 960
const HEIGHT = 560
const EDGE = { left: 84, right: 26, top: 62, bottom: 62 }

export const escapeText = (words: string): string =>
  words.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? c)

interface Scale {
  at(value: number): number
  ticks: number[]
}

/** Logarithmic over all positive values, with room for a mark at either end; ticks at 1, 2, 5 or at powers of ten where there are many. */
function scale(values: readonly number[], from: number, to: number): Scale {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value))
  const [least, most] = positive.length > 0 ? [Math.min(...positive), Math.max(...positive)] : [1, 10]
  const air = Math.max(1.08, (most / least) ** 0.04)
  const [low, high] = [least / air, Math.max(most * air, least * 1.2)]
  const decades = Math.log10(high / low)
  const steps = decades > 4 ? [1] : decades > 2 ? [1, 3] : decades > 1 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8]
  const ticks: number[] = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1)
    for (const step of steps) {
      const tick = Number((step * 10 ** power).toPrecision(4))
      if (tick >= low && tick <= high) ticks.push(tick)
    }
  const place = (value: number): number =>
    from +
    ((Math.log(Math.min(high, Math.max(low, value))) - Math.log(low)) / (Math.log(high) - Math.log(low))) * (to - from)
  return { at: (value) => Number(place(value).toFixed(2)), ticks }
}

/** What the scale of losses holds: those of all points; intervals and the curves of levers are cut where they would squeeze
 *  the rest (a tenth of the least, ten times the largest). */
function heights(
  points: readonly { loss: number }[],
  bounded: readonly { lossLow: number; lossHigh: number }[],
  curves: readonly { loss: number }[],
): number[] {
  const losses = points.map(({ loss }) => loss)
  const [least, most] = [Math.min(...losses) / 10, 10 * Math.max(...losses)]
  const beside = [...bounded.flatMap(({ lossLow, lossHigh }) => [lossLow, lossHigh]), ...curves.map(({ loss }) => loss)]
  return [...losses, ...beside.map((loss) => Math.min(most, Math.max(least, loss)))]
}

const leverWords: Record<Lever, string> = {
  bits: 'bits alone',
  sparsity: 'sparsity alone',
  rank: 'rank alone',
  depth: 'depth alone',
}
const importedLoss = ({ metrics }: ImportedPoint): number | null => metrics.klDivergence?.value ?? null

/** Ticks and tips of an axis. */
const writers: Record<FrontAxis, (value: number) => string> = {
  size: formatBytes,
  memory: formatBytes,
  bits: (value) => `${value.toFixed(2)} bits`,
  latency: (value) => `${(1000 * value).toPrecision(3)} ms`,
}

/** Plans are made along the size: in memory or time some are beaten by others, and are no part of a front. Given by rising cost. */
function unbeatenOn(axis: FrontAxis): (point: { loss: number }) => boolean {
  let least = Infinity
  return ({ loss }) => {
    const isBetter = loss < least || axis === 'size' || axis === 'bits'
    least = Math.min(least, loss)
    return isBetter
  }
}

/** `title` is written above the chart. */
export function frontSvg(front: Front, title: string, axis: FrontAxis = 'size'): string {
  const rule = axisRule(front, axis)
  const write = writers[axis]
  const onX = (point: Costs): number => rule.ofPredicted(point) ?? Number.NaN
  const judged = front.measured.flatMap((point) => {
    const at = rule.ofMeasured(point)
    return point.kind !== 'original' && point.loss > 0 && at !== null ? [{ ...point, at }] : []
  })
  const placed = judged.map(({ at, loss }) => ({ bytes: at, loss }))
  const imported = front.imported.map((one) => ({
    ...one,
    marks: one.points.flatMap((point) => {
      const loss = importedLoss(point)
      const at = axis === 'size' ? point.bytes : axis === 'bits' ? point.averageBits : null
      return loss !== null && loss > 0 && at !== null ? [{ ...point, loss, at }] : []
    }),
  }))
  const uniformAt = front.uniform.map(onX).filter(Number.isFinite)
  const widest = 1.02 * Math.max(0, ...judged.map(({ at }) => at), ...uniformAt)
  const inside = (points: readonly FrontPoint[]): (FrontPoint & { at: number })[] =>
    points
      .map((point) => ({ ...point, at: onX(point) }))
      .filter(({ loss, at }) => loss > 0 && Number.isFinite(at) && (widest === 0 || at <= widest))
      .sort((a, b) => a.at - b.at || a.loss - b.loss)
      .filter(unbeatenOn(axis))
  const predicted = inside(front.predicted)
  const uniform = inside(front.uniform)
  const curves = front.curves.map(({ lever, points }) => ({ lever, points: inside(points) }))
  const all = [...predicted, ...uniform, ...judged, ...imported.flatMap(({ marks }) => marks)]
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="KL divergence against: ${escapeText(rule.title)}">`
  const heading = `<text class="title" x="${EDGE.left - 60}" y="26">${escapeText(title)}</text>`
  const paper = `<style>${svgStyle}</style><rect class="paper" width="${WIDTH}" height="${HEIGHT}"/>${heading}`
  if (all.length === 0)
    return `${open}${paper}<text class="label" x="${WIDTH / 2}" y="${HEIGHT / 2}" text-anchor="middle">Nothing is predicted or measured yet.</text></svg>`

  const x = scale(
    all.map(({ at }) => at),
    EDGE.left,
    WIDTH - EDGE.right,
  )
  const y = scale(
    heights(
      all,
      [...predicted, ...judged],
      curves.flatMap(({ points }) => points),
    ),
    HEIGHT - EDGE.bottom,
    EDGE.top,
  )
  const place = ({ at, loss }: { at: number; loss: number }): string => `${x.at(at)},${y.at(loss)}`
  const line = (points: readonly { at: number; loss: number }[], name: string): string =>
    points.length > 1 ? `<polyline class="${name}" points="${points.map(place).join(' ')}"/>` : ''
  const band = [
    ...predicted.map((point) => place({ ...point, loss: point.lossHigh })),
    ...[...predicted].reverse().map((point) => place({ ...point, loss: point.lossLow })),
  ]
  const dot = (point: MeasuredPoint & { at: number }): string => {
    const [cx, cy] = [x.at(point.at), y.at(point.loss)]
    const faded = isDominated({ bytes: point.at, loss: point.loss }, placed) ? ' faded' : ''
    const mark =
      point.kind === 'uniform'
        ? `<path class="uniform${faded}" d="M${cx} ${cy - 6.5}l6.5 6.5-6.5 6.5-6.5-6.5z">${tip(point)}</path>`
        : `<circle class="planned${faded}" r="5.5" cx="${cx}" cy="${cy}">${tip(point)}</circle>`
    return `<line class="bar ${point.kind}${faded}" x1="${cx}" x2="${cx}" y1="${y.at(point.lossLow)}" y2="${y.at(point.lossHigh)}"/>${mark}`
  }
  const square = (point: ImportedPoint & { loss: number; at: number }, n: number): string =>
    `<rect class="imported i${n % 4}" x="${x.at(point.at) - 4.5}" y="${y.at(point.loss) - 4.5}" width="9" height="9"><title>${escapeText(`${point.label}\n${formatBytes(point.bytes)}\nKL divergence ${formatMetric('klDivergence', point.loss)}`)}</title></rect>`
  const legend = legendOf(front, { hasPredicted: predicted.length > 0, hasUniform: uniform.length > 0, judged })
  return [
    open,
    paper,
    legend,
    ...x.ticks.map(
      (tick) =>
        `<line class="grid" x1="${x.at(tick)}" x2="${x.at(tick)}" y1="${EDGE.top}" y2="${HEIGHT - EDGE.bottom}"/><text class="label" x="${x.at(tick)}" y="${HEIGHT - EDGE.bottom + 20}" text-anchor="middle">${trimmed(write(tick))}</text>`,
    ),
    ...y.ticks.map(
      (tick) =>
        `<line class="grid" x1="${EDGE.left}" x2="${WIDTH - EDGE.right}" y1="${y.at(tick)}" y2="${y.at(tick)}"/><text class="label" x="${EDGE.left - 10}" y="${y.at(tick) + 4}" text-anchor="end">${tick >= 0.001 ? tick : tick.toExponential(0)}</text>`,
    ),
    band.length > 2 ? `<polygon class="band" points="${band.join(' ')}"/>` : '',
    ...curves.map(({ lever, points }) => line(points, `lever ${lever}`)),
    line(uniform, 'uniform-curve'),
    line(predicted, 'curve'),
    ...imported.flatMap(({ marks }, n) => marks.map((point) => square(point, n))),
    ...judged.filter(({ kind }) => kind === 'uniform').map(dot),
    ...judged.filter(({ kind }) => kind === 'planned').map(dot),
    `<text class="label" x="${(EDGE.left + WIDTH - EDGE.right) / 2}" y="${HEIGHT - 16}" text-anchor="middle">${escapeText(rule.title)}</text>`,
    `<text class="label" transform="translate(20 ${(EDGE.top + HEIGHT - EDGE.bottom) / 2}) rotate(-90)" text-anchor="middle">KL divergence to the original, nats</text>`,
    '</svg>',
  ].join('\n')
}

const trimmed = (words: string): string => words.replace(/\.?0+ /, ' ')

const tip = (point: MeasuredPoint): string =>
  `<title>${escapeText(
    [
      point.label,
      formatBytes(point.bytes),
      ...(point.memory === null ? [] : [`peak memory ${formatBytes(point.memory)}, measured`]),
      ...Object.entries(point.metrics).map(([name, { value }]) => `${metricTitle(name)} ${formatMetric(name, value)}`),
    ].join('\n'),
  )}</title>`

function legendOf(
  front: Front,
  seen: { hasPredicted: boolean; hasUniform: boolean; judged: readonly MeasuredPoint[] },
): string {
  const entries: [string, string][] = []
  const rule = (name: string): string => `<polyline class="${name}" points="0,0 20,0"/>`
  if (seen.hasPredicted) entries.push([rule('curve'), 'predicted'])
  for (const { lever } of front.curves) entries.push([rule(`lever ${lever}`), leverWords[lever]])
  if (seen.hasUniform) entries.push([rule('uniform-curve'), 'one width, predicted'])
  if (seen.judged.some(({ kind }) => kind === 'planned'))
    entries.push(['<circle class="planned" r="5" cx="10" cy="0"/>', 'measured'])
  if (seen.judged.some(({ kind }) => kind === 'uniform'))
    entries.push(['<path class="uniform" d="M10 -6l6 6-6 6-6-6z"/>', 'one width, measured'])
  front.imported.forEach(({ title }, n) =>
    entries.push([`<rect class="imported i${n % 4}" x="6" y="-4" width="8" height="8"/>`, title]),
  )
  let at = EDGE.left - 60
  return entries
    .map(([mark, words]) => {
      const drawn = `<g transform="translate(${at} 45)">${mark}<text class="label" x="26" y="4">${escapeText(words)}</text></g>`
      at += 44 + words.length * 6.7
      return drawn
    })
    .join('\n')
}

/** Colours of light and dark surroundings. */
const svgStyle = `svg{--ink:#191c1f;--soft:#5a6168;--paper:#fff;--line:#e6e6e1;--accent:#0a6c6e;--measured:#aa4b13;--flat:#6b6f8f;--c1:#4a55b5;--c2:#a3317f;--c3:#826400;--c4:#3f7a24}
@media screen and (prefers-color-scheme:dark){svg{--ink:#eceef0;--soft:#a3aab1;--paper:#1a1d20;--line:#2c3035;--accent:#4fc4be;--measured:#f2a066;--flat:#a2a7cc;--c1:#9aa5f7;--c2:#ec8fcb;--c3:#dfbb4c;--c4:#86cb70}}
text{font-family:Inter,'Segoe UI',system-ui,sans-serif}.title{font-size:16px;font-weight:650;fill:var(--ink)}.label{font-size:12px;fill:var(--soft)}.paper{fill:var(--paper)}.grid{stroke:var(--line)}
.band{fill:var(--accent);opacity:.13}.curve{fill:none;stroke:var(--accent);stroke-width:2.2}.uniform-curve{fill:none;stroke:var(--flat);stroke-width:1.5;stroke-dasharray:5 4}
.lever{fill:none;stroke-width:1.2}.lever.bits{stroke:var(--c1)}.lever.sparsity{stroke:var(--c2)}.lever.rank{stroke:var(--c3)}.lever.depth{stroke:var(--c4)}
circle.planned{fill:var(--measured);stroke:var(--paper)}line.planned{stroke:var(--measured)}path.uniform{fill:var(--flat);stroke:var(--paper)}line.uniform{stroke:var(--flat)}.bar{stroke-width:1.5;opacity:.75}
.imported{fill:none;stroke-width:2}.i0{stroke:var(--c1)}.i1{stroke:var(--c2)}.i2{stroke:var(--c3)}.i3{stroke:var(--c4)}.faded{opacity:.35}`
