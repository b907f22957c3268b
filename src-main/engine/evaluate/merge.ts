// What is kept of two logit rows while their vocabulary streams by in tiles (online softmax, Milakov & Gimelshein 2018;
// cut cross-entropy, Wijmans et al. 2024, section 3: the logit matrix never exists).
//   p = softmax(a), d = b - a - c for any c, g(d) = e^d - 1 - d >= 0:
//   KL(p || softmax(b)) = ln E_p[e^d] - E_p[d] = log1p(E_p[g] + E_p[d]) - E_p[d]
// With c = max b - max a this form has no cancellation where both models are close: float32 tiles then give KL to about 1e-9
// instead of 1e-6. A tile has its own c; moving its sums S, D, G by s = c(tile) - c is exact as well:
//   D <- D + s S,   G <- e^s G + (e^s - 1) D + g(s) S

/** One tile's share of each row; sums are relative to the tile's own maximum. All [rows]. */
export interface TileSums {
  maxA: Float32Array | Float64Array
  sumA: Float32Array | Float64Array // sum e^(a - maxA)
  sumD: Float32Array | Float64Array // sum e^(a - maxA) d, d = (b - maxB) - (a - maxA)
  sumG: Float32Array | Float64Array // sum e^(a - maxA) g(d); not finite where d is huge
  maxB: Float32Array | Float64Array
  sumB: Float32Array | Float64Array
  bestA: ArrayLike<number | bigint> // index of the maximum inside the tile
  bestB: ArrayLike<number | bigint>
}

export interface RowSums {
  logSumA: Float64Array // ln sum e^a
  logSumB: Float64Array
  kl: Float64Array
  agree: Uint8Array
}

export interface Merger {
  add(tile: TileSums, firstColumn: number): void
  finish(): RowSums
}

/** g(d) = e^d - 1 - d without cancellation near 0. */
export const excess = (d: number): number => (Math.abs(d) < 1e-4 ? d * d * (0.5 + d / 6) : Math.expm1(d) - d)

export function mergeTiles(rows: number): Merger {
  const maxA = new Float64Array(rows).fill(Number.NEGATIVE_INFINITY)
  const maxB = new Float64Array(rows).fill(Number.NEGATIVE_INFINITY)
  const [sumA, sumB, sumD, sumG] = [0, 1, 2, 3].map(() => new Float64Array(rows)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  const base = new Float64Array(rows).fill(Number.NaN) // c, from the first tile
  const bestA = new Float64Array(rows)
  const bestB = new Float64Array(rows)
  const at = (list: ArrayLike<number>, row: number) => list[row] ?? 0
  const share = (from: number, to: number) => (from === to ? 1 : Math.exp(from - to))
  return {
    add(tile, firstColumn) {
      for (let row = 0; row < rows; row++) {
        const a = Math.max(at(maxA, row), at(tile.maxA, row))
        const old = share(at(maxA, row), a)
        const fresh = share(at(tile.maxA, row), a)
        const ownBase = at(tile.maxB, row) - at(tile.maxA, row)
        if (Number.isNaN(at(base, row))) base[row] = ownBase
        const move = ownBase - at(base, row)
        const [s, d, g] = [at(tile.sumA, row), at(tile.sumD, row), at(tile.sumG, row)]
        sumA[row] = at(sumA, row) * old + s * fresh
        sumD[row] = at(sumD, row) * old + (d + move * s) * fresh
        sumG[row] = at(sumG, row) * old + (Math.exp(move) * g + Math.expm1(move) * d + excess(move) * s) * fresh
        if (at(tile.maxA, row) > at(maxA, row)) bestA[row] = firstColumn + Number(tile.bestA[row] ?? 0)
        maxA[row] = a
        const b = Math.max(at(maxB, row), at(tile.maxB, row))
        sumB[row] = at(sumB, row) * share(at(maxB, row), b) + at(tile.sumB, row) * share(at(tile.maxB, row), b)
        if (at(tile.maxB, row) > at(maxB, row)) bestB[row] = firstColumn + Number(tile.bestB[row] ?? 0)
        maxB[row] = b
      }
    },
    finish() {
      const logSumA = maxA.map((most, row) => most + Math.log(at(sumA, row)))
      const logSumB = maxB.map((most, row) => most + Math.log(at(sumB, row)))
      const kl = new Float64Array(rows)
      for (let row = 0; row < rows; row++) {
        const mean = at(sumD, row) / at(sumA, row)
        const close = Math.log1p(at(sumG, row) / at(sumA, row) + mean) - mean
        const far = at(logSumB, row) - at(logSumA, row) - mean - at(base, row)
        const value = Math.abs(mean) < 1 && Number.isFinite(close) ? close : far
        // A candidate that overflows is infinitely far from the original, and stays comparable.
        kl[row] = Number.isNaN(value) ? Number.POSITIVE_INFINITY : Math.max(0, value)
      }
      return { logSumA, logSumB, kl, agree: Uint8Array.from(bestA, (best, row) => (best === bestB[row] ? 1 : 0)) }
    },
  }
}
