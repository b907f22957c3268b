// Tensors computed from other tensors when they are read: unpacked, dequantized, permuted, split, joined. Everything
// behind the source then sees plain numbers.
import { Fault } from '../../../src-preload/contract/fault.ts'
import { bitsOf } from '../graph/ir.ts'
import { fromFloat32 } from './convert.ts'
import type { TensorInfo, TensorSource } from './network.ts'

export interface DerivedTensor {
  /** dtype 'float32', 'float16' or 'bfloat16'; `stored` says how the file holds it. */
  info: TensorInfo
  /** Elements [begin, end) in row-major order, exact. Decodes what covers the range; cheap for whole rows. */
  decode(begin: number, end: number): Float32Array
  /** Bytes [begin, end) as the file holds them, where that is one run. */
  stored?(begin: number, end: number): Uint8Array
}

/** `base` with the derived tensors in place of, or beside, its own; those named in `hidden` are no longer listed. */
export function deriveSource(
  base: TensorSource,
  derived: ReadonlyMap<string, DerivedTensor>,
  hidden: ReadonlySet<string> = new Set(),
): TensorSource {
  const tensors = new Map([...base.tensors].filter(([name]) => !hidden.has(name)))
  for (const [name, { info }] of derived) tensors.set(name, info)
  return {
    tensors,
    read(name, range) {
      const found = derived.get(name)
      if (!found) return base.read(name, range)
      const { info } = found
      const { begin, end } = checkRange(info, info.bytes, range)
      const width = bitsOf[info.dtype] / 8
      if (begin % width !== 0 || end % width !== 0)
        throw new Fault('internal', `tensor ${name}: bytes ${begin} to ${end} cut an element of ${info.dtype}`)
      return fromFloat32(found.decode(begin / width, end / width), info.dtype)
    },
    readStored(name, range) {
      const found = derived.get(name)
      if (!found) return base.readStored?.(name, range) ?? null
      if (!found.stored || !found.info.stored) return null
      const { begin, end } = checkRange(found.info, found.info.stored.bytes, range)
      return found.stored(begin, end)
    },
    close: () => base.close(),
  }
}

function checkRange({ name, file }: TensorInfo, bytes: number, range = { begin: 0, end: bytes }) {
  if (range.begin >= 0 && range.begin <= range.end && range.end <= bytes) return range
  throw new Fault('internal', `tensor ${name}: bytes ${range.begin} to ${range.end} of ${bytes}`, {
    data: { file, tensor: name },
  })
}
