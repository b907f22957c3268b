import { storedScale } from './candidates.ts'
import { roundEven } from './float16.ts'
import type { ElasticSettings, HqqSettings } from './grids-job.ts'

/** Plain twin of assembly/grids.ts. The lanes of the sums are spelled out, so both give the same bits. */
const f = Math.fround
const clamp = (x: number, low: number, high: number) => Math.min(high, Math.max(low, x))
const sum = (values: readonly number[]) => {
  const lanes = [0, 0, 0, 0]
  values.forEach((value, i) => (lanes[i % 4] = (lanes[i % 4] ?? 0) + value))
  return (lanes[0] ?? 0) + (lanes[1] ?? 0) + ((lanes[2] ?? 0) + (lanes[3] ?? 0))
}

/** Scale and zero point of a group, from given ones. */
export function hqqReference(x: Float32Array, h: Float32Array, scale: number, zero: number, settings: HqqSettings) {
  const { bits, half, reach, power, beta, kappa, rounds, most } = settings
  const [top, type] = [2 ** bits - 1, half ? ('float16' as const) : ('float32' as const)]
  const codes = (s: number, z: number) => [...x].map((w) => roundEven(clamp(f(w / s), -z, top - z)))
  const root = (v: number) => f(Math.sqrt(v))
  const loss = (s: number, z: number) => sum(codes(s, z).map((u, i) => {
    const r = root(Math.abs(f((x[i] ?? 0) - f(s * u))))
    return (h[i] ?? 0) * (power === 2 ? r : f(r * root(r)))
  })) // prettier-ignore
  const squares = (s: number, z: number) => sum(codes(s, z).map((u, i) => (h[i] ?? 0) * f((x[i] ?? 0) - f(s * u)) ** 2))
  const limit = most < Infinity ? most * squares(scale, zero) : Infinity
  const best = { scale, zero, loss: loss(scale, zero) }
  for (let z = Math.max(0, zero - reach); z <= Math.min(top, zero + reach); z++) {
    let [current, b] = [scale, f(beta)]
    for (let round = 0; round < rounds; round++, b = f(b * f(kappa))) {
      const us = codes(current, z)
      const clean = us.map((u, i) => {
        const r = f(f((x[i] ?? 0) / current) - u)
        const pull = f(f(1 / b) / (power === 2 ? root(Math.abs(r)) : root(root(Math.abs(r)))))
        return f((x[i] ?? 0) - f(current * (Math.sign(r) * Math.max(0, f(Math.abs(r) - pull)))))
      })
      const energy = sum(us.map((u, i) => (h[i] ?? 0) * u * u))
      if (energy === 0) break
      const next = storedScale(f(sum(us.map((u, i) => (h[i] ?? 0) * u * (clean[i] ?? 0))) / energy), type)
      if (next === current && round > 0) break
      const found = loss(next, z)
      if (found < best.loss && (limit === Infinity || squares(next, z) <= limit))
        Object.assign(best, { scale: next, zero: z, loss: found })
      current = next
    }
  }
  return best
}

/** A code 0..255 around 128 as `bits` bits read it. */
export const readReference = (code: number, bits: number): number =>
  Math.min(2 ** bits - 1, Math.floor((code + Math.floor(2 ** (8 - bits) / 2)) / 2 ** (8 - bits)))

export const elasticCode = (w: number, scale: number): number =>
  scale === 0 ? 128 : roundEven(clamp(f(w / scale), -128, 127)) + 128

/** The scale of a group for all widths; 0 for zeros. */
export function elasticReference(x: Float32Array, h: Float32Array, { half, lowest, factors }: ElasticSettings): number {
  const type = half ? ('float16' as const) : ('float32' as const)
  const most = x.reduce((large, w) => Math.max(large, Math.abs(w)), 0)
  if (most === 0) return 0
  const plain = f(most / 127)
  const error = (s: number) => {
    const of = (w: number, bits: number) => {
      const u = readReference(elasticCode(w, s), bits) - 2 ** (bits - 1)
      const steps = f(f(w - f(f(s * 2 ** (8 - bits)) * u)) / s)
      return f(4 ** bits * f(steps * steps))
    }
    const widths = [2, 3, 4, 5, 6, 7, 8].filter((bits) => bits >= lowest)
    return sum([...x].map((w, i) => (h[i] ?? 0) * widths.reduce((all, bits) => f(all + of(w, bits)), 0))) * (s * s)
  }
  const tried = factors.map((factor) => storedScale(f(plain * f(factor)), type))
  return tried.reduce((best, s) => (error(s) < error(best) ? s : best), storedScale(plain, type))
}
