import { Fault } from '../../../src-preload/contract/fault.ts'
import { excess, mergeTiles, type TileSums } from './merge.ts'
import type { RowStatistics } from './types.ts'

/** Rows that are scored: all, or those whose target is not -1. Faults 'bad-data' where a target is no class. */
export function scoredRows(rows: number, classes: number, targets: Int32Array | null): Int32Array {
  const list: number[] = []
  for (let row = 0; row < rows; row++) {
    const target = targets?.[row] ?? 0
    if (target === -1) continue
    if (target < 0 || target >= classes)
      throw new Fault('bad-data', `Row ${row}: class ${target} is out of range for a network of ${classes} classes.`, {
        data: { field: `row ${row}`, expected: `0 to ${classes - 1}`, found: `${target}` },
      })
    list.push(row)
  }
  return Int32Array.from(list)
}

/** One row's sums in double precision, as a tile of one row. */
function rowTile(a: Float32Array, b: Float32Array): TileSums {
  const best = (row: Float32Array) => {
    let index = 0
    for (let column = 1; column < row.length; column++) if ((row[column] ?? 0) > (row[index] ?? 0)) index = column
    return index
  }
  const [bestA, bestB] = [best(a), best(b)]
  const [maxA, maxB] = [a[bestA] ?? 0, b[bestB] ?? 0]
  let [sumA, sumB, sumD, sumG] = [0, 0, 0, 0]
  for (let column = 0; column < a.length; column++) {
    const [x, y] = [a[column] ?? 0, b[column] ?? 0]
    const weight = Math.exp(x - maxA)
    const d = y - maxB - (x - maxA)
    sumA += weight
    sumB += Math.exp(y - maxB)
    sumD += weight * d
    sumG += weight * excess(d)
  }
  const one = (value: number) => Float64Array.of(value)
  return {
    maxA: one(maxA),
    sumA: one(sumA),
    sumD: one(sumD),
    sumG: one(sumG),
    maxB: one(maxB),
    sumB: one(sumB),
    bestA: [bestA],
    bestB: [bestB],
  }
}

const above = (row: Float32Array, target: number): number => {
  const mark = row[target] ?? 0
  let count = 0
  for (const value of row) if (value > mark) count++
  return count
}

/** Statistics of logits [rows, classes] against each other; rows with target -1 are left out. Few classes: images. */
export function compareLogits(
  a: Float32Array,
  b: Float32Array,
  classes: number,
  targets: Int32Array | null,
): RowStatistics {
  const scored = scoredRows(a.length / classes, classes, targets)
  const rows = scored.length
  const kl = new Float64Array(rows)
  const agree = new Uint8Array(rows)
  const [nll, referenceNll] = [new Float64Array(rows), new Float64Array(rows)]
  const [rank, referenceRank] = [new Int32Array(rows), new Int32Array(rows)]
  scored.forEach((row, index) => {
    const [rowA, rowB] = [a, b].map((logits) => logits.subarray(row * classes, (row + 1) * classes)) as [
      Float32Array,
      Float32Array,
    ]
    const merger = mergeTiles(1)
    merger.add(rowTile(rowA, rowB), 0)
    const sums = merger.finish()
    kl[index] = sums.kl[0] ?? 0
    agree[index] = sums.agree[0] ?? 0
    if (!targets) return
    const target = targets[row] ?? 0
    nll[index] = (sums.logSumB[0] ?? 0) - (rowB[target] ?? 0)
    referenceNll[index] = (sums.logSumA[0] ?? 0) - (rowA[target] ?? 0)
    rank[index] = above(rowB, target)
    referenceRank[index] = above(rowA, target)
  })
  const known = targets ? { nll, referenceNll, rank, referenceRank } : null
  return { rows, kl, agree, nll: null, referenceNll: null, rank: null, referenceRank: null, ...known }
}
