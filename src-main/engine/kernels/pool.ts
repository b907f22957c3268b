import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Arena } from './arena.ts'
import { BAD, CLOSED, type Job, runChunk, runChunks, type Task, threadKernels } from './chunks.ts'
import { kernelFile, kernelModule, openKernel } from './load.ts'
import type { QuantizeExports } from './search.ts'

const CHUNK_WEIGHTS = 1 << 15
const WAIT_MS = 20_000 // a chunk takes milliseconds; a thread silent for this long is given up
const MOST_THREADS = 16

const kernels = new Map<string, Arena<unknown>>()
let workers: Worker[] = []
let broken = false // a thread could not start or died: the calling thread works alone from then on

/** The calling thread's own instance of a kernel. */
export function open(name: string): Arena<unknown> {
  const known = kernels.get(name)
  if (known !== undefined) return known
  const kernel = openKernel<unknown>(name)
  kernels.set(name, kernel)
  return kernel
}

/** The calling thread's own instance of the quantize kernel. */
export const ownKernel = (): Arena<QuantizeExports> => open('quantize') as Arena<QuantizeExports>

/** Memory that all threads see. */
export const sharedFloats = (length: number): Float32Array => new Float32Array(new SharedArrayBuffer(length * 4))
export const sharedBytes = (length: number): Uint8Array => new Uint8Array(new SharedArrayBuffer(length))

/** Rows of a chunk: some milliseconds of work. */
export const chunkRows = (cols: number): number => Math.max(1, Math.floor(CHUNK_WEIGHTS / cols))

/** Hands a job to helping threads, of which the caller is one once it calls `finish`. Arrays must be shared memory when
 *  `threads` > 1. `staged`: how many chunks can be worked on at once, where that is not all of them. */
export function start(job: Job, threads = availableParallelism(), staged?: number): Task {
  const chunks = Math.ceil(job.rows.rows / job.rows.rowsPerChunk)
  const control = new SharedArrayBuffer(8 + chunks * 12) // fresh for each job: a late thread finds nothing to claim
  const task: Task = {
    ...job,
    next: new Int32Array(control, 0, 1),
    staged: new Int32Array(control, 4, 1),
    bad: new Float64Array(control, 8, chunks),
    states: new Int32Array(control, 8 + chunks * 8, chunks),
  }
  Atomics.store(task.staged, 0, staged ?? chunks + CLOSED)
  for (const helper of helpersFor(Math.min(threads, MOST_THREADS, chunks) - 1)) helper.postMessage(task)
  return task
}

/** Works with the others until all is done. Returns the flat index of the first weight that does not fit, or -1. */
export function finish(task: Task): number {
  runChunks(open, task)
  for (let chunk = 0; chunk < task.states.length; chunk++) if (!arrived(task, chunk)) runChunk(open, task, chunk)
  return firstBad(task)
}

/** Waits for a chunk that was claimed; false when its thread was given up. */
export function arrived({ states }: Task, chunk: number): boolean {
  if (Atomics.load(states, chunk) !== 0 || Atomics.wait(states, chunk, 0, WAIT_MS) !== 'timed-out') return true
  giveUp()
  return false
}

/** The flat index of the first weight that does not fit, or -1; all chunks are done. */
export function firstBad({ states, bad }: Task): number {
  const failed = states.findIndex((state) => state === BAD)
  return failed < 0 ? -1 : (bad[failed] ?? 0)
}

/** Up to `count` running threads; they never keep the process alive. */
function helpersFor(count: number): Worker[] {
  while (!broken && workers.length < count) {
    try {
      const modules = Object.fromEntries(threadKernels.map((name) => [name, kernelModule(name)]))
      const worker = new Worker(kernelFile('worker.mjs'), { workerData: modules, execArgv: [], name: 'kernel' })
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
