import type { Choice } from './mask.ts'

/** Plain twin of chooseMask: sort what competes, keep the first. */
export function maskReference(
  scores: Float32Array,
  { pattern, sparsity, unit, per }: Choice,
  rows: number,
  cols: number,
) {
  const mask = new Uint8Array(rows * cols)
  const keep = (places: number[], count: number, size = (i: number) => Math.abs(scores[i] ?? 0)) =>
    [...places].sort((a, b) => size(b) - size(a) || a - b).slice(0, count)
  const all = [...mask.keys()]
  const parts: number[][] = []
  const [n = 0, m = 0] = pattern.split(':').map(Number)
  if (pattern === 'columns') {
    const energy = (u: number) => all.filter((i) => Math.floor((i % cols) / unit) === u).reduce((sum, i) => sum + (scores[i] ?? 0) ** 2, 0)
    const units = [...Array(cols / unit).keys()]
    const kept = new Set(keep(units, Math.round((1 - sparsity) * units.length), (u) => Math.fround(energy(u))))
    parts.push(all.filter((i) => kept.has(Math.floor((i % cols) / unit))))
  } else if (m > 0) for (let i = 0; i < rows * cols; i += m) parts.push(keep(all.slice(i, i + m), n))
  else if (per === 'layer') parts.push(keep(all, Math.round((1 - sparsity) * rows * cols)))
  else for (let r = 0; r < rows; r++) parts.push(keep(all.slice(r * cols, (r + 1) * cols), Math.round((1 - sparsity) * cols))) // prettier-ignore
  for (const i of parts.flat()) mask[i] = 1
  return mask
}
