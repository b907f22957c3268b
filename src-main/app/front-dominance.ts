import type { FrontPoint } from '../../src-preload/contract/results.ts'

type Placed = Pick<FrontPoint, 'bytes' | 'loss'>

/** Another point is at most as large and at most as lossy, and better in one of the two. */
export const isDominated = (point: Placed, among: readonly Placed[]): boolean =>
  among.some(
    ({ bytes, loss }) => bytes <= point.bytes && loss <= point.loss && (bytes < point.bytes || loss < point.loss),
  )
