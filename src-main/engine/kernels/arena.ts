// No imports here: the pool's worker loads this file on its own.

/** One instance of a kernel with its own memory, laid out anew at every call. */
export class Arena<E> {
  readonly exports: E
  readonly #memory: WebAssembly.Memory
  readonly #base: number

  constructor(module: WebAssembly.Module) {
    const { exports } = new WebAssembly.Instance(module, {
      env: {
        abort: () => {
          throw new Error('a compiled kernel gave up')
        },
      },
    })
    this.exports = exports as E
    this.#memory = exports.memory as WebAssembly.Memory
    this.#base = (exports.heapBase as () => number)()
  }

  /** 16-byte aligned addresses of the wanted byte lengths. Grows the memory when it must, which ends older views. */
  lay(...byteLengths: number[]): number[] {
    let end = (this.#base + 15) & ~15
    const addresses = byteLengths.map((length) => {
      const address = end
      end += Math.ceil(length / 16) * 16
      return address
    })
    const missing = end - this.#memory.buffer.byteLength
    if (missing > 0) this.#memory.grow(Math.ceil(missing / 65536))
    return addresses
  }

  bytes(address: number, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, address, length)
  }
  floats(address: number, length: number): Float32Array {
    return new Float32Array(this.#memory.buffer, address, length)
  }
  doubles(address: number, length: number): Float64Array {
    return new Float64Array(this.#memory.buffer, address, length)
  }
}
