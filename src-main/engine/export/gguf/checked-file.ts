import { createHash, type Hash } from 'node:crypto'
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs'

/** A new file whose every byte is read back and compared as soon as it is written; the hash is of what was read back. */
export class CheckedFile {
  readonly #file: number
  readonly #hash: Hash = createHash('sha256')
  #bytes = 0
  #back = Buffer.alloc(0)

  constructor(path: string) {
    this.#file = openSync(path, 'wx+', 0o644)
  }

  append(chunk: Uint8Array): void {
    for (let done = 0; done < chunk.length;)
      done += writeSync(this.#file, chunk, done, chunk.length - done, this.#bytes + done)
    if (this.#back.length < chunk.length) this.#back = Buffer.alloc(chunk.length)
    for (let done = 0; done < chunk.length;) {
      const got = readSync(this.#file, this.#back, done, chunk.length - done, this.#bytes + done)
      if (got === 0) throw new Error(`byte ${this.#bytes + done} is not there when read back`)
      done += got
    }
    const back = this.#back.subarray(0, chunk.length)
    if (back.compare(chunk) !== 0) throw new Error(`bytes from ${this.#bytes} on differ when read back`)
    this.#hash.update(back)
    this.#bytes += chunk.length
  }

  /** Makes the file last and closes it. */
  finish(): { bytes: number; sha256: string } {
    fsyncSync(this.#file)
    const { size } = fstatSync(this.#file)
    if (size !== this.#bytes) throw new Error(`it holds ${size} bytes where ${this.#bytes} were written`)
    closeSync(this.#file)
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') }
  }

  close(): void {
    closeSync(this.#file)
  }
}
