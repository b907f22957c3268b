// Files written beside the work: the engine's thread hands pieces over through a few shared slots and goes on.
import { Worker } from 'node:worker_threads'
import { kernelFile } from '../../kernels/load.ts'
import { diskFault } from '../disk-fault.ts'
import { CheckedFile } from './checked-file.ts'

export interface FileWriter {
  write(chunk: Uint8Array): void
  finish(): { bytes: number; sha256: string }
  abandon(): void // after a failure elsewhere
}

const SLOTS = 16
const SLOT_BYTES = 2 << 20
const THREAD_FROM_BYTES = 16 << 20 // a thread takes some hundredths of a second to start
const START_MS = 20_000
const MOST_SILENT_SECONDS = 600
const [READY, RESULT_BYTES, FIRST_SLOT] = [0, 1, 2]

/** A new file of about `bytes`. Every byte is read back and compared (checked-file.ts). Faults 'disk'. */
export const openWriter = (path: string, bytes: number): FileWriter =>
  (bytes >= THREAD_FROM_BYTES ? threaded(path, bytes) : null) ?? direct(path, bytes)

function direct(path: string, bytes: number): FileWriter {
  const attempt = <T>(act: () => T): T => {
    try {
      return act()
    } catch (error) {
      throw diskFault(error, path, bytes)
    }
  }
  const file = attempt(() => new CheckedFile(path))
  return {
    write: (chunk) => attempt(() => file.append(chunk)),
    finish: () => attempt(() => file.finish()),
    abandon: () => file.close(),
  }
}

/** Memory of pages, as transfers past the system's cache want it; other arrays begin anywhere. */
function pageSlots(): Uint8Array[] {
  const pages = (SLOTS * SLOT_BYTES) / 65536
  const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  return Array.from({ length: SLOTS }, (_, i) => new Uint8Array(buffer, i * SLOT_BYTES, SLOT_BYTES))
}

/** Null where no thread can be had. */
function threaded(path: string, bytes: number): FileWriter | null {
  const control = new Int32Array(new SharedArrayBuffer(4 * (FIRST_SLOT + SLOTS)))
  const [slots, backs] = [pageSlots(), pageSlots()]
  const result = new Uint8Array(new SharedArrayBuffer(4096))
  let worker: Worker
  try {
    const script = kernelFile('writer-thread.mjs')
    worker = new Worker(script, { workerData: { path, control, slots, backs, result }, execArgv: [], name: 'writer' })
    worker.on('error', () => undefined) // seen as silence below
    worker.unref()
  } catch {
    return null
  }
  if (Atomics.wait(control, READY, 0, START_MS) === 'timed-out') {
    void worker.terminate()
    return null
  }
  let next = 0
  let silentSeconds = 0
  /** A disk may stall; a thread that died never answers. */
  const patient = (woken: 'ok' | 'not-equal' | 'timed-out'): void => {
    silentSeconds = woken === 'timed-out' ? silentSeconds + 1 : 0
    if (silentSeconds > MOST_SILENT_SECONDS)
      throw diskFault(new Error(`nothing was written for ${MOST_SILENT_SECONDS} seconds`), path, bytes)
  }
  const outcome = (length: number): unknown => JSON.parse(new TextDecoder().decode(result.slice(0, length)))
  const checkAlive = (): void => {
    const length = Atomics.load(control, RESULT_BYTES)
    if (length >= 0) return
    const { message, code } = outcome(-length) as { message: string; code?: string }
    throw diskFault(Object.assign(new Error(message), { code }), path, bytes)
  }
  /** Waits until the slot is free. */
  const take = (): number => {
    const at = FIRST_SLOT + next
    checkAlive()
    for (let held = Atomics.load(control, at); held !== 0; held = Atomics.load(control, at)) {
      patient(Atomics.wait(control, at, held, 1000))
      checkAlive()
    }
    next = (next + 1) % SLOTS
    return at
  }
  const hand = (at: number, length: number): void => {
    Atomics.store(control, at, length)
    Atomics.notify(control, at)
  }
  let [filling, filled] = [-1, 0]
  return {
    write(chunk) {
      for (let done = 0; done < chunk.length;) {
        if (filling < 0) [filling, filled] = [take(), 0]
        const room = Math.min(SLOT_BYTES - filled, chunk.length - done)
        slots[filling - FIRST_SLOT]?.set(chunk.subarray(done, done + room), filled)
        done += room
        filled += room
        if (filled === SLOT_BYTES) {
          hand(filling, filled)
          filling = -1
        }
      }
    },
    finish() {
      if (filling >= 0 && filled > 0) hand(filling, filled)
      hand(filling >= 0 && filled === 0 ? filling : take(), -1)
      while (Atomics.load(control, RESULT_BYTES) === 0) patient(Atomics.wait(control, RESULT_BYTES, 0, 1000))
      checkAlive()
      return outcome(Atomics.load(control, RESULT_BYTES)) as { bytes: number; sha256: string }
    },
    abandon() {
      void worker.terminate()
    },
  }
}
