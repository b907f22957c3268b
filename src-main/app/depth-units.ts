// The greedy order in which blocks can be left out, a job unit for each step: every block that is still there is tried beside
// those that are out, and the cheapest goes. All that was tried is kept (store/options.ts: rows of no layer, `remove-3-5`);
// a step begins where the one before it ended, also after a restart.
import { createHash } from 'node:crypto'
import type { Unit } from '../jobs/work.ts'
import { saveOption } from '../store/options.ts'
import { transaction } from '../store/query.ts'
import { canonicalJson } from '../store/recipes.ts'
import { readStep, saveStep } from '../store/steps.ts'
import type { DataReference } from '../engine/protocol.ts'
import { depthChain, removalOption } from './depth-loss.ts'
import type { OpenProject, Subject } from './projects.ts'

/** Raised when the same blocks would get other losses. */
const version = 1

export interface DepthOrder {
  subject: Subject
  checkpoint: string // path
  data: DataReference
  samples: number
  most: number // blocks left out at the end of the chain
}

/** Units of a chain of up to `most` removals, in order. What a unit measures depends on what those before it found: its key
 *  holds its place in the chain, and the step it leaves names the blocks it was measured beside. */
export function depthUnits(project: OpenProject, order: DepthOrder): Unit[] {
  const { store } = project
  const { subject, checkpoint, data, samples } = order
  const { summary } = subject.checkpoint
  const count = Math.max(0, Math.min(order.most, summary.blocks - 1))
  const removedBefore = (step: number): number[] | null =>
    depthChain(project, subject).find(({ removed }) => removed.length === step)?.removed ?? null
  const keyOf = (removed: readonly number[]): string => {
    const identity = {
      task: 'depth',
      checkpoint: subject.row.checkpoint,
      data: subject.data,
      samples,
      removed,
      version,
    }
    return `depth-${createHash('sha256').update(canonicalJson(identity)).digest('hex')}`
  }
  const done = (removed: readonly number[]) => readStep(store.read, { key: keyOf(removed) }) !== null

  return Array.from({ length: count }, (_, step): Unit => ({
    key: `depth-${step}-${keyOf([])}`,
    kind: 'depth',
    step: step === 0 ? 'leaving out one block' : `leaving out ${step + 1} blocks`,
    weight: (summary.parameters * samples * (summary.blocks - step)) / 2,
    isDone() {
      const removed = removedBefore(step)
      return removed !== null && done(removed)
    },
    async run({ engine, hooks }) {
      const removed = removedBefore(step)
      if (removed === null || done(removed)) return // nothing more can go
      const task = { checkpoint, data, removed, samples, device: subject.row.device }
      const found = await engine.run('depth', task, hooks)
      for (const notice of step === 0 ? found.notices : []) hooks.notify(notice)
      transaction(store.write, () => {
        for (const { block, loss, standardError } of found.candidates)
          saveOption(store.write, {
            ...{ checkpoint: subject.row.checkpoint, data: subject.data, layer: '' },
            option: removalOption([...removed, block]),
            ...{ samples: found.samples, loss, error: 0, standardError, source: found.source },
          })
        const result = { removed, samples: found.samples, candidates: found.candidates.map(({ block }) => block) }
        saveStep(store.write, { key: keyOf(removed), run: null, task: 'depth', file: null, sha256: null, bytes: null, result }) // prettier-ignore
      })
    },
  }))
}
