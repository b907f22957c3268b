// Shapes the chart library has no series for: a filled band between two curves, and an error bar.

export interface MarkApi {
  value(dimension: number): number
  coord(point: [number, number]): [number, number]
}

export interface BandPoint {
  x: number
  y: number
  low: number
  high: number
}

/** One polygon along the upper bounds and back along the lower ones; bounds outside lie on `floor` and `ceiling` (log axes have no zero). */
export function band(api: MarkApi, curve: readonly BandPoint[], floor: number, color: string, ceiling = Infinity) {
  const inside = (value: number): number => Math.min(Math.max(value, floor), ceiling)
  const upper = curve.map((p) => api.coord([p.x, inside(p.high)]))
  const lower = curve.map((p) => api.coord([p.x, inside(p.low)])).reverse()
  return {
    type: 'polygon',
    silent: true,
    shape: { points: [...upper, ...lower] },
    style: { fill: color, opacity: 0.14 },
  }
}

/** A vertical bar from dimension 1 to dimension 2 with short caps. */
export function errorBar(api: MarkApi, color: string) {
  const [x, low] = api.coord([api.value(0), api.value(1)])
  const [, high] = api.coord([api.value(0), api.value(2)])
  const style = { stroke: color, lineWidth: 1.5, opacity: 0.7, fill: 'none' }
  const line = (x1: number, y1: number, x2: number, y2: number) => ({ type: 'line', shape: { x1, y1, x2, y2 }, style })
  return {
    type: 'group',
    silent: true,
    children: [line(x, low, x, high), line(x - 4, low, x + 4, low), line(x - 4, high, x + 4, high)],
  }
}
