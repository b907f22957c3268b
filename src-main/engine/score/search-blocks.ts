// What the planner takes from Q-VLM's result; apart from the score itself, so that nobody loads the runtime for it.
import type { ScoreResult } from '../../../src-preload/contract/methods.ts'

/** Names of the layers of each search block of two layers or more, in order; layers that read the same activation are always
 *  in one. Of results of other scores: none. The planner measures pairs of layers within one block. */
export function dependencyBlocks({ method, values }: Pick<ScoreResult, 'method' | 'values'>): string[][] {
  if (method !== 'qvlm') return []
  const blocks = Map.groupBy(values, ({ parts }) => parts?.['search block'] ?? -1)
  blocks.delete(-1)
  return [...blocks.values()].map((own) => own.map(({ key }) => key)).filter((own) => own.length > 1)
}
