import type { Xray, XrayChannel } from '../../src-preload/contract/scores.ts'
import { formatTable } from './format.ts'

const figure = (value: number): string => value.toPrecision(4)
const shown = 5

function channels(title: string, list: readonly XrayChannel[]): string {
  return formatTable(
    [title, 'norm', 'of median', 'kurtosis'],
    list
      .slice(0, shown)
      .map(({ index, norm, ratio, kurtosis }) => [
        String(index),
        figure(norm),
        `${ratio.toFixed(2)}`,
        figure(kurtosis),
      ]),
  )
}

/** How many singular values hold a share of the squared norm. */
const rankFor = (energy: readonly number[], share: number): string => {
  const at = energy.findIndex((held) => held >= share)
  return at < 0 ? `more than ${energy.length}` : String(at + 1)
}

/** An X-ray as a person reads it in a terminal. */
export function xrayWords({ layer, rows, cols, kurtosis, spectrum, inputs, notes }: Xray): string {
  const lines = [
    `${layer}: ${rows.count} outputs, ${cols.count} inputs, kurtosis ${figure(kurtosis)} (3: normal)`,
    '',
    channels('input channel', cols.largest),
    '',
    channels('output channel', rows.largest),
  ]
  if (spectrum)
    lines.push(
      '',
      `${spectrum.method}: the largest ${figure(spectrum.values[0] ?? 0)}; 90 % of the energy in ${rankFor(spectrum.energy, 0.9)}, 99 % in ${rankFor(spectrum.energy, 0.99)}` +
        (spectrum.effectiveRank === null ? '' : `; effective rank ${spectrum.effectiveRank.toFixed(1)}`),
    )
  if (inputs) {
    const widest = [...inputs.min.keys()]
      .sort((a, b) => (inputs.max[b] ?? 0) - (inputs.min[b] ?? 0) - ((inputs.max[a] ?? 0) - (inputs.min[a] ?? 0)))
      .slice(0, shown)
    lines.push(
      '',
      `inputs from ${inputs.source}, widest range first:`,
      formatTable(
        ['input channel', 'least', 'greatest', 'deviation', 'entropy, bits'],
        widest.map((at) => [
          String(at),
          ...[inputs.min, inputs.max, inputs.deviation, inputs.entropy].map((of) => figure(of[at] ?? 0)),
        ]),
      ),
    )
  }
  return [...lines, ...notes.map((note) => `note: ${note}`)].join('\n')
}
