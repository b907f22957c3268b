import { expect, test } from 'vitest'
import { frontSvg } from '../../src-main/app/front-svg.ts'
import type { Front, FrontPoint } from '../../src-preload/contract/results.ts'

const top = 62
const point = (bytes: number, loss: number, high = 1.5): FrontPoint => ({
  ...{ bytes, loss, averageBits: bytes / 1e5, lossLow: loss / high, lossHigh: loss * high },
  ...{ predictedMemory: null, predictedSeconds: null },
})
const front: Front = {
  predicted: [point(2e5, 0.9), point(3e5, 0.2), point(4e5, 0.05)],
  uniform: [point(2e5, 1.1), point(4e5, 0.06)],
  curves: [{ lever: 'sparsity', points: [point(2e5, 3), point(4e5, 1)] }],
  measured: [
    {
      ...{ ...point(2e5, 1.2, 2), variant: 'v', format: 'onnx', label: 'one', kind: 'planned', predictedLoss: null },
      ...{ metrics: {}, pinned: false, seconds: null, fileSeconds: null, memory: null },
    },
  ],
  ...{ imported: [], source: '', memorySource: '', calibration: { factor: 1, spearman: null, points: 0 } },
}
// Not those of the legend, which begin at 0,0.
const heights = (svg: string, shape: RegExp): number[] =>
  [...(shape.exec(svg)?.[1] ?? '').matchAll(/[\d.]+,([\d.]+)/g)].map(([, y]) => Number(y))

test('nothing is cut off at the top: dots, band, intervals and the curves of single levers lie inside', () => {
  const svg = frontSvg(front, 't')
  const band = heights(svg, /<polygon class="band" points="(\d\d[^"]*)"/)
  const lever = heights(svg, /<polyline class="lever sparsity" points="(\d\d[^"]*)"/)
  expect(band).toHaveLength(6)
  expect(new Set(band).size).toBe(6)
  const bar = Number(/class="bar planned[^>]* y2="([\d.]+)"/.exec(svg)?.[1])
  const dot = Number(/<circle class="planned" r="5.5"[^>]* cy="([\d.]+)"/.exec(svg)?.[1])
  for (const y of [...band, ...lever, bar, dot - 5.5]) expect(y).toBeGreaterThan(top)
  expect(bar).toBeLessThan(dot)
})

test('an interval, or the curve of a lever, over decades is cut, so that the curve keeps its room', () => {
  const curves: Front['curves'] = [{ lever: 'depth', points: [point(2e5, 1e12), point(4e5, 1)] }]
  const wide = { ...front, predicted: [point(2e5, 0.9, 1e9), point(4e5, 0.05)], measured: [], curves }
  const curve = heights(frontSvg(wide, 't'), /<polyline class="curve" points="(\d\d[^"]*)"/)
  expect(Math.max(...curve) - Math.min(...curve)).toBeGreaterThan(100)
})
