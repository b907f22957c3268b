import { listOptions } from '../store/options.ts'
import type { OpenProject, Subject } from './projects.ts'

export interface Removal {
  removed: number[] // block indexes, rising
  loss: number // nats of KL divergence per prediction
  standardError: number
}

/** Where the store keeps what leaving blocks out costs: in the options, as those of no layer. */
export const removalOption = (removed: readonly number[]): string =>
  `remove-${[...removed].sort((a, b) => a - b).join('-')}`

/** A block that was never tried is taken to matter: no plan leaves it out on a guess. */
const ASSUMED_LOSS = 1

function measuredRemovals(project: OpenProject, subject: Subject): Removal[] {
  if (subject.data === '') return []
  const key = { checkpoint: subject.row.checkpoint, data: subject.data }
  return listOptions(project.store.read, key).flatMap(({ layer, option, loss, standardError }) => {
    if (layer !== '' || !option.startsWith('remove-')) return []
    const removed = option.slice('remove-'.length).split('-').map(Number)
    return [{ removed, loss, standardError: standardError ?? 0 }]
  })
}

/** What leaving out a set of blocks costs; assumed where it was not measured. */
export function removalLosses(project: OpenProject, subject: Subject): (removed: readonly number[]) => Removal {
  const known = new Map(measuredRemovals(project, subject).map((each) => [removalOption(each.removed), each]))
  return (removed) =>
    removed.length === 0
      ? { removed: [], loss: 0, standardError: 0 }
      : (known.get(removalOption(removed)) ?? {
          removed: [...removed],
          loss: ASSUMED_LOSS * removed.length,
          standardError: 0,
        })
}

/** Nested sets along the greedy order that was measured: nothing, the cheapest block, the cheapest beside it ... */
export function depthChain(project: OpenProject, subject: Subject): Removal[] {
  const all = measuredRemovals(project, subject)
  const chain: Removal[] = [{ removed: [], loss: 0, standardError: 0 }]
  for (;;) {
    const last = chain.at(-1)?.removed ?? []
    const next = all
      .filter(({ removed }) => removed.length === last.length + 1 && last.every((block) => removed.includes(block)))
      .sort((a, b) => a.loss - b.loss || removalOption(a.removed).localeCompare(removalOption(b.removed)))[0]
    if (next === undefined) return chain
    chain.push(next)
  }
}
