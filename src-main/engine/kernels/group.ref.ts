import { roundEven } from './float16.ts'

/** Plain twin of assembly/shared/group.ts. The lanes of the sums are spelled out, so both give the same bits. */
export interface Grid {
  zero: number
  top: number // 2^bits - 1
}
const f = Math.fround
const offset = (value: number, { zero, top }: Grid) => roundEven(Math.min(top - zero, Math.max(-zero, value)))
const pairwise = (l: number[]) => l.reduce((sum, v, i) => (i % 2 ? sum : sum + (v + (l[i + 1] ?? 0))), 0)

export const encodeReference = (x: Float32Array, scale: number, grid: Grid) =>
  Uint8Array.from(x, (value) => offset(f(value * f(1 / scale)), grid) + grid.zero)

/** sum h v u, sum h u^2 and sum h (v - u)^2, v = x * inverse, in 4 float32 lanes over 256 elements, float64 beyond. */
export function lanesReference(x: Float32Array, h: Float32Array, inverse: number, grid: Grid) {
  const result = { xu: 0, uu: 0, dd: 0 }
  for (let begin = 0; begin < x.length; begin += 256) {
    const [xu, uu, dd] = [new Float32Array(4), new Float32Array(4), new Float32Array(4)]
    x.subarray(begin, begin + 256).forEach((weight, i) => {
      const [v, importance] = [f(weight * inverse), h[begin + i] ?? 0]
      const u = offset(v, grid)
      const d = f(v - u)
      xu[i % 4] = (xu[i % 4] ?? 0) + f(f(importance * u) * v)
      uu[i % 4] = (uu[i % 4] ?? 0) + f(f(importance * u) * u)
      dd[i % 4] = (dd[i % 4] ?? 0) + f(f(importance * d) * d)
    })
    result.xu += pairwise([...xu])
    result.uu += pairwise([...uu])
    result.dd += pairwise([...dd])
  }
  return result
}
