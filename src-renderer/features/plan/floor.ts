import { floorMeasured } from '../../../src-preload/contract/plan.ts'
import type { Preflight } from '../../../src-preload/contract/preflight.ts'

/** Milliseconds that a search takes at most, from what one of its plans takes; null where nothing tells. What is done already of
 *  that plan tells nothing of the others. */
export function floorTime({ time, done }: Pick<Preflight, 'time' | 'done'>): number | null {
  if (!(time.seconds > 0) || done > 0.99) return null
  return (1000 * time.seconds * floorMeasured()) / (1 - done)
}
