import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Arena } from './arena.ts'
import { BAD, runChunk, runChunks, type Task } from './chunks.ts'
import { kernelFile, kernelModule, openKernel } from './load.ts'
import type { GridSettings, QuantizeExports, RowBlock } from './search.ts'

const CHUNK_WEIGHTS = 1 << 15
const WAIT_MS = 20_000 // a chunk takes milliseconds; a thread silent for this long is given up
const MOST_THREADS = 16

let kernel: Arena<QuantizeExports> | null = null
let workers: Worker[] = []
let broken = false // a thread could not start or died: the calling thread works alone from then on

/** The calling thread's own instance of the quantize kernel. */
export const ownKernel = (): Arena<QuantizeExports> => (kernel ??= openKernel<QuantizeExports>('quantize'))

/** Memory that all threads see. */
export const sharedFloats = (length: number): Float32Array => new Float32Array(new SharedArrayBuffer(length * 4))
export const sharedBytes = (length: number): Uint8Array => new Uint8Array(new SharedArrayBuffer(length))

/** Quantizes all rows of a block, whose arrays must be shared memory when `threads` > 1. The caller works too and waits
 *  for the others, so this returns when all is done. Same bytes for any number of threads.
 *  Returns the flat index of the first weight that is not finite, or -1. */
export function quantizeBlock(settings: GridSettings, block: RowBlock, threads = availableParallelism()): number {
  const rowsPerChunk = Math.max(1, Math.floor(CHUNK_WEIGHTS / block.cols))
  const chunks = Math.ceil(block.rows / rowsPerChunk)
  const control = new SharedArrayBuffer(8 + chunks * 12) // fresh for each block: a late thread finds nothing to claim
  const task: Task = {
    settings,
    block,
    rowsPerChunk,
    next: new Int32Array(control, 0, 1),
    bad: new Float64Array(control, 8, chunks),
    states: new Int32Array(control, 8 + chunks * 8, chunks),
  }
  const helpers = helpersFor(Math.min(threads, MOST_THREADS, chunks) - 1)
  for (const helper of helpers) helper.postMessage(task)
  runChunks(ownKernel(), task)
  for (let chunk = 0; chunk < chunks; chunk++) {
    if (Atomics.load(task.states, chunk) !== 0 || Atomics.wait(task.states, chunk, 0, WAIT_MS) !== 'timed-out') continue
    giveUp()
    runChunk(ownKernel(), task, chunk)
  }
  const failed = task.states.findIndex((state) => state === BAD)
  return failed < 0 ? -1 : (task.bad[failed] ?? 0)
}

/** Up to `count` running threads; they never keep the process alive. */
function helpersFor(count: number): Worker[] {
  while (!broken && workers.length < count) {
    try {
      const worker = new Worker(kernelFile('worker.mjs'), {
        workerData: { module: kernelModule('quantize') },
        execArgv: [],
        name: 'kernel',
      })
      worker.on('error', giveUp)
      worker.unref()
      workers.push(worker)
    } catch {
      giveUp()
    }
  }
  return workers.slice(0, Math.max(0, count))
}

function giveUp(): void {
  broken = true
  for (const worker of workers) void worker.terminate()
  workers = []
}
