// One checkpoint file, read by ranges. No memory mapping: a foreign file that shrinks would end the process (SIGBUS).
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync, statSync } from 'node:fs'
import { Fault } from '../../../src-preload/contract/fault.ts'

const largestRead = 1 << 30 // one read call takes at most 2^31 - 1 bytes

/** What tells that a file is still the one that was opened. */
interface Identity {
  device: number
  inode: number
  size: number
  modifiedMs: number
}

const identify = (stats: { dev: number; ino: number; size: number; mtimeMs: number }): Identity => ({
  device: stats.dev,
  inode: stats.ino,
  size: stats.size,
  modifiedMs: stats.mtimeMs,
})

const explain = (path: string, error: unknown): Fault => {
  const code = (error as NodeJS.ErrnoException).code ?? String(error)
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new Fault('not-found', `${path}: no such file`, { data: { file: path }, cause: error })
  }
  return new Fault('disk', `${path}: cannot be read (${code})`, { data: { file: path }, cause: error })
}

/** A regular file opened for reading; every read checks that nobody has changed or replaced it. */
export class SourceFile {
  readonly path: string
  readonly size: number
  private readonly descriptor: number
  private readonly identity: Identity
  private open = true

  /** Faults: 'not-found', 'disk' (no permission), 'bad-input' (a pipe, device or folder: never waits on one). */
  constructor(path: string) {
    this.path = path
    try {
      const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
      this.descriptor = openSync(realpathSync(path), flags)
    } catch (error) {
      throw explain(path, error)
    }
    const stats = fstatSync(this.descriptor)
    if (!stats.isFile()) {
      closeSync(this.descriptor)
      throw new Fault('bad-input', `${path}: not a regular file`, { data: { file: path, expected: 'a regular file' } })
    }
    this.identity = identify(stats)
    this.size = stats.size
  }

  /** Bytes [begin, end), in a buffer of their own (so any typed array may view it). */
  read(begin: number, end: number): Uint8Array<ArrayBuffer> {
    if (!(begin >= 0 && begin <= end && end <= this.size)) throw this.outside(begin, end)
    const bytes = new Uint8Array(end - begin)
    this.readInto(begin, bytes)
    return bytes
  }

  /** As many bytes from `begin` on as `out` takes. */
  readInto(begin: number, out: Uint8Array): void {
    const end = begin + out.length
    if (!(begin >= 0 && end <= this.size)) throw this.outside(begin, end)
    this.check()
    for (let done = 0; done < out.length;) {
      const want = Math.min(largestRead, out.length - done)
      let got = 0
      try {
        got = readSync(this.descriptor, out, done, want, begin + done)
      } catch (error) {
        throw explain(this.path, error)
      }
      if (got === 0) throw this.changed('ends too early')
      done += got
    }
  }

  private outside(begin: number, end: number): Fault {
    return new Fault('bad-input', `${this.path}: bytes ${begin} to ${end} lie outside the file of ${this.size}`, {
      data: { file: this.path, offset: begin },
    })
  }

  close(): void {
    if (this.open) closeSync(this.descriptor)
    this.open = false
  }

  private check(): void {
    if (!this.open) throw new Fault('internal', `${this.path}: read after close`, { data: { file: this.path } })
    let now: Identity
    try {
      now = identify(statSync(this.path))
    } catch {
      throw this.changed('is gone')
    }
    const was = this.identity
    if (now.inode !== was.inode || now.device !== was.device) throw this.changed('was replaced by another file')
    if (now.size !== was.size) throw this.changed(`changed its size from ${was.size} to ${now.size} bytes`)
    if (now.modifiedMs !== was.modifiedMs) throw this.changed('was modified')
  }

  private changed(how: string): Fault {
    return new Fault('bad-input', `${this.path}: the file ${how} while it was in use`, {
      hint: 'Leave the checkpoint alone while a job runs on it, then open it again.',
      data: { file: this.path, expected: `${this.size} bytes, unchanged since it was opened` },
    })
  }
}

/** A whole small file (settings, index). Faults 'too-large' before reading anything. */
export function readSmallFile(path: string, limitBytes: number): Uint8Array<ArrayBuffer> {
  const file = new SourceFile(path)
  try {
    if (file.size > limitBytes) {
      throw new Fault('too-large', `${path}: ${file.size} bytes, at most ${limitBytes} are read of such a file`, {
        data: { file: path, expected: `at most ${limitBytes} bytes`, found: String(file.size) },
      })
    }
    return file.read(0, file.size)
  } finally {
    file.close()
  }
}
