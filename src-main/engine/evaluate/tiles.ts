import type { Session, TensorValue } from '../runtime/types.ts'
import { mergeTiles, type TileSums } from './merge.ts'
import { scoredRows } from './rows.ts'
import { tileOutputs } from './tile-graph.ts'
import type { RowStatistics } from './types.ts'

/** Elements of one logit tile: about a dozen arrays of this size are alive at a time, whatever the vocabulary. */
const tileElements = 2 ** 21
const mostRows = 4096

export interface HiddenSide {
  hidden: Float32Array // [rows, width]
  width: number
  /** Rows [begin, end) of the head, [end - begin, width]. */
  head: (begin: number, end: number) => Float32Array
  softCap?: number | undefined // as the session's graph was made with
}

const matrix = (data: Float32Array, rows: number, cols: number): TensorValue => ({
  dtype: 'float32',
  dims: [rows, cols],
  data,
})

/** Rows of a matrix by index; the matrix itself when all are taken in order. */
export function gatherRows(data: Float32Array, width: number, rows: Int32Array): Float32Array {
  if (rows.length * width === data.length) return data
  const out = new Float32Array(rows.length * width)
  rows.forEach((row, index) => out.set(data.subarray(row * width, (row + 1) * width), index * width))
  return out
}

/** The target's logit of every row, in double precision. */
function targetLogits({ hidden, width, head, softCap }: HiddenSide, targets: Int32Array): Float64Array {
  return Float64Array.from(targets, (target, row) => {
    const weights = head(target, target + 1)
    let sum = 0
    for (let column = 0; column < width; column++) sum += (hidden[row * width + column] ?? 0) * (weights[column] ?? 0)
    return softCap === undefined ? sum : softCap * Math.tanh(sum / softCap)
  })
}

// A logit within float32's rounding of the target's is the target itself, or as good as equal.
const markOf = (logit: number): number => logit + 1e-5 * (1 + Math.abs(logit))

function readTile(outputs: Record<string, TensorValue>): TileSums & { aboveA: Float32Array; aboveB: Float32Array } {
  const floats = (name: string) => outputs[name]?.data as Float32Array
  const whole = (name: string) => outputs[name]?.data as BigInt64Array
  return {
    maxA: floats('maxA'),
    sumA: floats('sumA'),
    maxB: floats('maxB'),
    sumB: floats('sumB'),
    sumD: floats('sumD'),
    sumG: floats('sumG'),
    aboveA: floats('aboveA'),
    aboveB: floats('aboveB'),
    bestA: whole('bestA'),
    bestB: whole('bestB'),
  }
}

interface Sweep {
  rows: number
  tiles: Iterable<{ first: number; feeds: Record<string, TensorValue> }>
  logits: { a: Float64Array; b: Float64Array } | null // of the targets
}

/** Runs all tiles of some rows and gathers their statistics. */
async function sweep(session: Session, { rows, tiles, logits }: Sweep): Promise<RowStatistics> {
  const mark = (values: Float64Array | undefined) =>
    matrix(values ? Float32Array.from(values, markOf) : new Float32Array(rows), rows, 1)
  const marks = { markA: mark(logits?.a), markB: mark(logits?.b) }
  const merger = mergeTiles(rows)
  const [rank, referenceRank] = [new Int32Array(rows), new Int32Array(rows)]
  for (const { first, feeds } of tiles) {
    const tile = readTile(await session.run({ ...feeds, ...marks }, [...tileOutputs]))
    merger.add(tile, first)
    tile.aboveA.forEach((count, row) => (referenceRank[row] = (referenceRank[row] ?? 0) + count))
    tile.aboveB.forEach((count, row) => (rank[row] = (rank[row] ?? 0) + count))
  }
  const sums = merger.finish()
  return {
    rows,
    kl: sums.kl,
    agree: sums.agree,
    nll: logits && sums.logSumB.map((value, row) => value - (logits.b[row] ?? 0)),
    referenceNll: logits && sums.logSumA.map((value, row) => value - (logits.a[row] ?? 0)),
    rank: logits && rank,
    referenceRank: logits && referenceRank,
  }
}

/** One list of rows after another. */
export function joinRows(parts: readonly RowStatistics[]): RowStatistics {
  const doubles = (pick: (part: RowStatistics) => Float64Array | null) =>
    parts.some((part) => pick(part) === null)
      ? null
      : Float64Array.from(parts.flatMap((part) => [...(pick(part) ?? [])]))
  const whole = (pick: (part: RowStatistics) => Int32Array | null) =>
    parts.some((part) => pick(part) === null) ? null : Int32Array.from(parts.flatMap((part) => [...(pick(part) ?? [])]))
  return {
    rows: parts.reduce((sum, part) => sum + part.rows, 0),
    kl: doubles((part) => part.kl) ?? new Float64Array(0),
    agree: Uint8Array.from(parts.flatMap((part) => [...part.agree])),
    nll: doubles((part) => part.nll),
    referenceNll: doubles((part) => part.referenceNll),
    rank: whole((part) => part.rank),
    referenceRank: whole((part) => part.referenceRank),
  }
}

function* chunks(rows: Int32Array, most: number): Generator<Int32Array> {
  for (let at = 0; at < rows.length; at += most) yield rows.subarray(at, at + most)
}

/** Compares hidden states through their heads, one tile of the vocabulary at a time. Rows with target -1 are left out. */
export async function compareHidden(
  session: Session,
  a: HiddenSide,
  b: HiddenSide,
  vocabulary: number,
  targets: Int32Array | null,
): Promise<RowStatistics> {
  const parts: RowStatistics[] = []
  for (const chosen of chunks(scoredRows(a.hidden.length / a.width, vocabulary, targets), mostRows)) {
    const rows = chosen.length
    const wanted = targets && Int32Array.from(chosen, (row) => targets[row] ?? 0)
    const [sideA, sideB] = [a, b].map((side) => ({ ...side, hidden: gatherRows(side.hidden, side.width, chosen) })) as [
      HiddenSide,
      HiddenSide,
    ]
    const size = Math.max(256, Math.floor(tileElements / rows))
    const tiles = function* () {
      for (let first = 0; first < vocabulary; first += size) {
        const end = Math.min(vocabulary, first + size)
        const feeds = {
          hiddenA: matrix(sideA.hidden, rows, a.width),
          tileA: matrix(a.head(first, end), end - first, a.width),
          hiddenB: matrix(sideB.hidden, rows, b.width),
          tileB: matrix(b.head(first, end), end - first, b.width),
        }
        yield { first, feeds }
      }
    }
    const logits = wanted && { a: targetLogits(sideA, wanted), b: targetLogits(sideB, wanted) }
    parts.push(await sweep(session, { rows, tiles: tiles(), logits }))
  }
  return joinRows(parts)
}

/** Compares whole logit rows of many classes. Rows with target -1 are left out. */
export async function compareManyLogits(
  session: Session,
  a: Float32Array,
  b: Float32Array,
  classes: number,
  targets: Int32Array | null,
): Promise<RowStatistics> {
  const parts: RowStatistics[] = []
  const most = Math.max(1, Math.floor(tileElements / classes))
  for (const chosen of chunks(scoredRows(a.length / classes, classes, targets), most)) {
    const rows = chosen.length
    const [rowsA, rowsB] = [a, b].map((logits) => gatherRows(logits, classes, chosen)) as [Float32Array, Float32Array]
    const wanted = targets && Int32Array.from(chosen, (row) => targets[row] ?? 0)
    const pick = (logits: Float32Array) =>
      Float64Array.from(wanted ?? [], (target, row) => logits[row * classes + target] ?? 0)
    parts.push(
      await sweep(session, {
        rows,
        tiles: [{ first: 0, feeds: { A: matrix(rowsA, rows, classes), B: matrix(rowsB, rows, classes) } }],
        logits: wanted && { a: pick(rowsA), b: pick(rowsB) },
      }),
    )
  }
  return joinRows(parts)
}
