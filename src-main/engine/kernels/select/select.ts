import { availableParallelism } from 'node:os'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { chunkRows, finish, sharedBytes, sharedFloats, start } from '../pool.ts'

const SHARE_FROM_WEIGHTS = 1 << 17 // smaller matrices are done before a thread wakes up

/** Mask [rows, cols] with 1 for the `keep` entries of each row that are largest in magnitude; among equal ones the first
 *  counts as larger. Radix selection, O(rows cols). Faults on NaN by its place, and on `keep` outside 0..cols. */
export function topOfRows(
  scores: Float32Array, // [rows, cols]
  rows: number,
  cols: number,
  keep: number,
  threads?: number,
): Uint8Array {
  if (Number.isInteger(keep) && keep >= 0 && keep <= cols) return select(scores, rows, cols, { n: keep, m: 0 }, threads)
  throw new Fault('bad-arguments', `Selection: cannot keep ${keep} of ${cols} entries a row.`)
}

/** Mask [rows, cols] with 1 for the n of every m neighbours in a row that are largest in magnitude (2:4, 4:8 ...); a
 *  shorter last group of t keeps ceil(t n / m). Faults on NaN by its place, and unless 1 <= n <= m. */
export function someOfEach(
  scores: Float32Array, // [rows, cols]
  rows: number,
  cols: number,
  { n, m }: { n: number; m: number },
  threads?: number,
): Uint8Array {
  if (Number.isInteger(n) && Number.isInteger(m) && n >= 1 && n <= m)
    return select(scores, rows, cols, { n, m }, threads)
  throw new Fault('bad-arguments', `Selection: ${n} of every ${m} is not a pattern.`)
}

function select(
  scores: Float32Array,
  rows: number,
  cols: number,
  { n, m }: { n: number; m: number },
  threads = availableParallelism(),
): Uint8Array {
  if (scores.length !== rows * cols)
    throw new Fault('bad-arguments', `Selection: ${scores.length} scores, not ${rows} x ${cols}.`)
  const shared = sharedFloats(scores.length)
  shared.set(scores)
  const mask = sharedBytes(scores.length)
  const task = { kind: 'select' as const, rows, cols, n, m, rowsPerChunk: chunkRows(cols), scores: shared, mask }
  const bad = finish(start({ job: 'vectors', rows: task }, scores.length < SHARE_FROM_WEIGHTS ? 1 : threads))
  if (bad < 0) return mask
  throw new Fault('bad-input', `Selection: score [${Math.floor(bad / cols)}, ${bad % cols}] is not a number.`, {
    data: { expected: 'numbers', found: 'NaN', offset: bad },
  })
}
