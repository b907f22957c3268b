// Thread that writes one file while the engine's thread makes the next bytes. build/kernels.ts puts it, as JavaScript,
// beside the compiled kernels; it imports nothing of ours. What passes between the two lies in shared memory, so that the
// other side need not return to its event loop:
//   control: [ready, bytes of the result, then for each slot its length]; a slot of length 0 is free, -1 ends the file.
// Several slots are on their way at once: written, read back, compared and hashed, these two in order. The file is written
// past the system's cache where the file system can: the bytes that come back are then those of the disk, and filling
// cache pages, which on a virtual machine can cost as much as encoding, is saved.
import { createHash } from 'node:crypto'
import { close, constants, fstat, fsync, ftruncate, open, read, write } from 'node:fs'
import { promisify } from 'node:util'
import { parentPort, workerData } from 'node:worker_threads'

interface Shared {
  path: string
  control: Int32Array
  slots: Uint8Array[] // each begins at a page
  backs: Uint8Array[]
  result: Uint8Array // JSON of the error, or of what was written
}

const READY = 0
const RESULT_BYTES = 1
const FIRST_SLOT = 2
const SECTOR = 4096 // direct transfers are multiples of it

const calls = {
  ...{ open: promisify(open), close: promisify(close), fsync: promisify(fsync) },
  ...{ ftruncate: promisify(ftruncate), fstat: promisify(fstat), write: promisify(write), read: promisify(read) },
}
const { path, control, slots, backs, result } = workerData as Shared

/** Opens the file and says whether it takes direct transfers: by trying one. */
async function openFile(): Promise<{ file: number; direct: boolean }> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL
  if (typeof constants.O_DIRECT !== 'number') return { file: await calls.open(path, flags, 0o644), direct: false }
  let file: number | undefined
  try {
    file = await calls.open(path, flags | constants.O_DIRECT, 0o644)
    await calls.write(file, slots[0] as Uint8Array, 0, SECTOR, 0)
    return { file, direct: true }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
    if (file !== undefined) await calls.close(file)
    return {
      file: await calls.open(path, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC, 0o644),
      direct: false,
    }
  }
}

async function transfer(
  file: number,
  slot: Uint8Array,
  back: Uint8Array,
  length: number,
  begin: number,
): Promise<void> {
  for (let done = 0; done < length;)
    done += (await calls.write(file, slot, done, length - done, begin + done)).bytesWritten
  for (let done = 0; done < length;) {
    const { bytesRead } = await calls.read(file, back, done, length - done, begin + done)
    if (bytesRead === 0) throw new Error(`byte ${begin + done} is not there when read back`)
    done += bytesRead
  }
}

async function writeFile(): Promise<{ bytes: number; sha256: string }> {
  const { file, direct } = await openFile()
  const hash = createHash('sha256')
  let bytes = 0
  let last = Promise.resolve()
  const done: Promise<void>[] = []
  const failed = new Promise<never>((_, reject) => {
    failure = reject
  })
  failed.catch(() => undefined)
  Atomics.store(control, READY, 1)
  Atomics.notify(control, READY)
  for (let next = 0; ; next = (next + 1) % slots.length) {
    const at = FIRST_SLOT + next
    await Promise.race([done[next], failed]) // its last content has gone
    const filled = Atomics.waitAsync(control, at, 0)
    if (filled.async) await Promise.race([filled.value, failed])
    const length = Atomics.load(control, at)
    if (length < 0) break
    const [slot, back, begin, before] = [slots[next] as Uint8Array, backs[next] as Uint8Array, bytes, last]
    const moved = direct ? Math.ceil(length / SECTOR) * SECTOR : length
    slot.fill(0, length, moved)
    const there = transfer(file, slot, back, moved, begin)
    last = Promise.all([there, before]).then(() => {
      const found = back.subarray(0, length)
      if (Buffer.compare(found, slot.subarray(0, length)) !== 0)
        throw new Error(`bytes from ${begin} on differ when read back`)
      hash.update(found)
      Atomics.store(control, at, 0)
      Atomics.notify(control, at)
    })
    last.catch((error: unknown) => failure(error))
    done[next] = last
    bytes += length
  }
  await last
  await calls.ftruncate(file, bytes) // a direct file ends with a whole sector until then
  await calls.fsync(file)
  const { size } = await calls.fstat(file)
  if (size !== bytes) throw new Error(`it holds ${size} bytes where ${bytes} were written`)
  await calls.close(file)
  return { bytes, sha256: hash.digest('hex') }
}
let failure: (error: unknown) => void = () => undefined

/** Says how it ended, negative for an error, and wakes the other side up, whatever it waits for. */
function report(value: unknown, sign: number): void {
  const text = new TextEncoder().encode(JSON.stringify(value)).subarray(0, result.length)
  result.set(text)
  Atomics.store(control, RESULT_BYTES, sign * text.length)
  Atomics.store(control, READY, 1)
  for (let i = 0; i < control.length; i++) Atomics.notify(control, i)
}

parentPort?.on('message', () => undefined) // keeps the thread alive: waiting in shared memory does not
writeFile()
  .then(
    (written) => report(written, 1),
    (error: unknown) => {
      const { message, code } = error as NodeJS.ErrnoException
      report({ message, code }, -1)
    },
  )
  .finally(() => parentPort?.close())
