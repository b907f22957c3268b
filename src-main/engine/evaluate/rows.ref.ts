import type { RowStatistics } from './types.ts'

const logSoftmax = (row: number[]): number[] => {
  const largest = Math.max(...row)
  const logSum = largest + Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0))
  return row.map((value) => value - logSum)
}

/** The plain truth of RowStatistics, from whole logit rows [rows, classes]: KL = sum p (ln p - ln q). Tests only. */
export function rowsReference(
  a: Float32Array,
  b: Float32Array,
  classes: number,
  targets: number[] | null,
): RowStatistics {
  const scored = Array.from({ length: a.length / classes }, (_, row) => row).filter((row) => targets?.[row] !== -1)
  const at = (logits: Float32Array, row: number) => [...logits.subarray(row * classes, (row + 1) * classes)]
  const target = (row: number) => targets?.[row] ?? 0
  const nll = (logits: Float32Array) =>
    Float64Array.from(scored, (row) => -(logSoftmax(at(logits, row))[target(row)] ?? 0))
  const rank = (logits: Float32Array) =>
    Int32Array.from(
      scored,
      (row) => at(logits, row).filter((value) => value > (at(logits, row)[target(row)] ?? 0)).length,
    )
  const best = (row: number[]) => row.indexOf(Math.max(...row))
  return {
    rows: scored.length,
    kl: Float64Array.from(scored, (row) => {
      const q = logSoftmax(at(b, row))
      return logSoftmax(at(a, row)).reduce((sum, p, index) => sum + Math.exp(p) * (p - (q[index] ?? 0)), 0)
    }),
    nll: targets && nll(b),
    referenceNll: targets && nll(a),
    agree: Uint8Array.from(scored, (row) => (best(at(a, row)) === best(at(b, row)) ? 1 : 0)),
    rank: targets && rank(b),
    referenceRank: targets && rank(a),
  }
}
