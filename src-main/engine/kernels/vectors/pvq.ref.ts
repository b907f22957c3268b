import { pyramidTable } from './pyramid.ts'

/** Plain twins of assembly/pvq.ts. Every point of the pyramid, in the order of their numbers. */
export function* allPoints(dims: number, pulses: number): Generator<number[]> {
  if (dims === 0) {
    if (pulses === 0) yield []
    return
  }
  for (let size = 0; size <= pulses; size++)
    for (const value of size === 0 ? [0] : [size, -size])
      for (const rest of allPoints(dims - 1, pulses - size)) yield [value, ...rest]
}

/** Points before this one. */
export function numberReference(point: readonly number[]): bigint {
  let left = point.reduce((sum, p) => sum + Math.abs(p), 0)
  const table = pyramidTable(point.length, left)
  let number = 0n
  point.forEach((p, i) => {
    const count = (pulses: number) => table[point.length - 1 - i]?.[pulses] ?? 0n
    if (p !== 0) number += count(left)
    for (let m = 1; m < Math.abs(p); m++) number += 2n * count(left - m)
    if (p < 0) number += count(left + p)
    left -= Math.abs(p)
  })
  return number
}

/** The point p with the largest (w M p)^2 / (p M p), w M p > 0; that ratio. metric [dims, dims] or null for the identity. */
export function bestPointReference(w: readonly number[], pulses: number, metric: Float64Array | null) {
  const m = (i: number, j: number) => (metric ? (metric[i * w.length + j] ?? 0) : i === j ? 1 : 0)
  const product = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, x, i) => sum + b.reduce((part, y, j) => part + x * y * m(i, j), 0), 0)
  let best = { point: [] as number[], ratio: -1 }
  for (const point of allPoints(w.length, pulses)) {
    const along = product(w, point)
    const ratio = along > 0 ? along ** 2 / product(point, point) : 0
    if (ratio > best.ratio) best = { point, ratio }
  }
  return best
}
