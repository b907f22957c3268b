import { Fault } from '../../../../src-preload/contract/fault.ts'
import { decodeReference } from './decode.ref.ts'
import { type GgmlType, ggmlTypes } from './types.ts'

/** Blocks of a GGUF type as float32, the same bits that ggml gives. `out` takes the weights when given.
 *  Faults 'bad-input' on a length that is no whole number of blocks. */
export function decodeBlocks(type: GgmlType, bytes: Uint8Array, out?: Float32Array): Float32Array {
  const { blockSize, blockBytes } = ggmlTypes[type]
  if (bytes.length % blockBytes !== 0)
    throw new Fault(
      'bad-input',
      `${bytes.length} bytes are no whole number of ${type} blocks of ${blockBytes} bytes.`,
      {
        data: { expected: `a multiple of ${blockBytes} bytes`, found: `${bytes.length}` },
      },
    )
  const count = (bytes.length / blockBytes) * blockSize
  if (out !== undefined && out.length < count)
    throw new Fault('internal', `${count} weights do not fit in ${out.length} places.`)
  const decoded = decodeReference(type, bytes)
  if (decoded === undefined) throw new Fault('unsupported', `Blocks of type ${type} cannot be read yet.`)
  if (out === undefined) return decoded
  out.set(decoded)
  return out.subarray(0, count)
}
