// Thread that writes one file while the engine's thread makes the next bytes. build/kernels.ts puts it, as JavaScript,
// beside the compiled kernels. What passes between the two lies in shared memory, so that neither waits for an event loop:
//   control: [ready, error bytes, then for each slot its length]; a slot of length 0 is free, -1 ends the file.
import { workerData } from 'node:worker_threads'
import { CheckedFile } from './checked-file.ts'

interface Shared {
  path: string
  control: Int32Array
  slots: Uint8Array[]
  result: Uint8Array // JSON of the error, or of what was written
}

const READY = 0
const RESULT_BYTES = 1
const FIRST_SLOT = 2

const { path, control, slots, result } = workerData as Shared
let file: CheckedFile | undefined

/** Says how it ended; negative for an error. */
function report(value: unknown, failed: boolean): void {
  const text = new TextEncoder().encode(JSON.stringify(value)).subarray(0, result.length)
  result.set(text)
  Atomics.store(control, RESULT_BYTES, failed ? -text.length : text.length)
  // Whatever the other side waits for, it wakes up.
  for (let i = 0; i < control.length; i++) Atomics.notify(control, i)
}

try {
  file = new CheckedFile(path)
  Atomics.store(control, READY, 1)
  Atomics.notify(control, READY)
  for (let next = 0; ; next = (next + 1) % slots.length) {
    const at = FIRST_SLOT + next
    Atomics.wait(control, at, 0)
    const length = Atomics.load(control, at)
    if (length < 0) break
    file.append((slots[next] as Uint8Array).subarray(0, length))
    Atomics.store(control, at, 0)
    Atomics.notify(control, at)
  }
  report(file.finish(), false)
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException
  try {
    file?.close()
  } catch {
    // The first error is the one that counts.
  }
  report({ message, code }, true)
  Atomics.store(control, READY, 1)
  Atomics.notify(control, READY)
}
