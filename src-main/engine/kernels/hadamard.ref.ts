// Plain twin of assembly/hadamard.ts: one vector at a time, the same order of additions.
import type { Hadamard } from './hadamard.ts'

/** x [count, size, inner] <- scale * H x (or H^T x) along the middle. */
export function transformRef(x: Float32Array, h: Hadamard, inner: number, turned: boolean, scale: number): void {
  const { order, rest, base, size } = h
  const f = Math.fround
  for (let at = 0; at < x.length; at += size * inner) {
    for (let k = 0; k < inner; k++) {
      const v = Float32Array.from({ length: size }, (_, i) => x[at + i * inner + k] as number)
      for (let step = 1; step < rest; step *= 2) {
        for (let i = 0; i < size; i++) {
          if ((i % rest) & step) continue
          const [a, b] = [v[i] as number, v[i + step] as number]
          v[i] = a + b
          v[i + step] = a - b
        }
      }
      for (let i = 0; i < size; i++) {
        const [block, within] = [Math.floor(i / rest), i % rest]
        let sum = 0
        for (let j = 0; j < order; j++) {
          const sign = base[turned ? j * order + block : block * order + j] as number
          sum = f(sum + sign * (v[j * rest + within] as number))
        }
        x[at + i * inner + k] = f(sum * f(scale))
      }
    }
  }
}
