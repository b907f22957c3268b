import { availableParallelism } from 'node:os'
import { CLOSED, runChunk, type Task } from './chunks.ts'
import { arrived, chunkRows, finish, firstBad, open, sharedBytes, sharedFloats, start } from './pool.ts'
import type { GridSettings, RowBlock } from './search.ts'

// Weights that no other thread sees are handed over chunk by chunk, while work goes on: helping threads take chunks from
// the front, out of shared memory; the caller copies a few ahead of them there and takes its own from the back, straight
// from where they lie. So only what others work on is copied, and nobody waits for the whole to be.

const AHEAD = 3 // chunks that lie ready for each helping thread

type Arrays = Pick<RowBlock, 'weights' | 'codes' | 'scales' | 'zeros'>

/** Shared memory for a block, kept for the next one: fresh pages cost as much as the copying. */
let spare: Arrays | null = null
function sharedBlock(weights: number, groups: number): Arrays {
  if (spare === null || spare.weights.length < weights || spare.scales.length < groups)
    spare = {
      weights: sharedFloats(weights),
      codes: sharedBytes(weights),
      scales: sharedFloats(groups),
      zeros: sharedBytes(groups),
    }
  return spare
}

/** Quantizes all rows of a block in memory of any kind. Same bytes for any number of threads. Returns the flat index of the
 *  first weight that is not finite, or -1. */
export function quantizeStaged(settings: GridSettings, block: RowBlock, threads = availableParallelism()): number {
  const { rows, cols, groupSize } = block
  const rowsPerChunk = chunkRows(cols)
  const chunks = Math.ceil(rows / rowsPerChunk)
  const job = { job: 'quantize', rows: { ...block, settings, rowsPerChunk } } as const
  if (threads === 1 || chunks === 1) return finish(start(job, 1))
  const groups = Math.ceil(cols / groupSize)
  const shared = sharedBlock(rows * cols, rows * groups)
  const task = start({ job: 'quantize', rows: { ...job.rows, ...shared } }, threads, 0)
  const own: Task = { ...task, ...job } // the same chunks, where the caller has them
  const copy = (name: keyof Arrays, from: Arrays, to: Arrays, chunk: number) => {
    const width = name === 'weights' || name === 'codes' ? cols : groups
    const begin = chunk * rowsPerChunk * width
    to[name].set(from[name].subarray(begin, Math.min(begin + rowsPerChunk * width, rows * width)), begin)
  }
  const mine = share(own, AHEAD * Math.min(threads - 1, chunks), (chunk) => copy('weights', block, shared, chunk))
  for (let chunk = 0; chunk < mine.length; chunk++) {
    if (mine[chunk] === 1) continue
    if (!arrived(task, chunk)) runChunk(open, own, chunk)
    else for (const name of ['codes', 'scales', 'zeros'] as const) copy(name, shared, block, chunk)
  }
  return firstBad(task)
}

/** Works on chunks, the last first, and keeps `ahead` more than were claimed staged for others, the first first. Returns 1 for
 *  every staged chunk that the caller did after all. */
function share(task: Task, ahead: number, stage: (chunk: number) => void): Uint8Array {
  const { next, staged } = task
  let ready = 0 // [0, ready) is staged
  let rest = task.states.length // [rest, all) is done
  const publish = (value: number) => {
    Atomics.store(staged, 0, value)
    if (Atomics.load(next, 0) >= ready) Atomics.notify(staged, 0) // who claimed more than was there may wait
  }
  try {
    while (ready < rest) {
      const wanted = Math.min(rest, Atomics.load(next, 0) + ahead)
      for (; ready < wanted; publish(ready)) stage(ready++)
      if (ready < rest) runChunk(open, task, --rest)
    }
  } finally {
    publish(ready + CLOSED) // also when a chunk threw: others wait
  }
  const mine = new Uint8Array(ready)
  for (let chunk = Atomics.add(next, 0, 1); chunk < ready; chunk = Atomics.add(next, 0, 1)) {
    runChunk(open, task, chunk)
    mine[chunk] = 1
  }
  return mine
}
