// Blocks of a GGUF type to float32: the door of assembly/ggml-decode.ts.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Arena } from '../arena.ts'
import { openKernel } from '../load.ts'
import { codebookLayout, isCodebookType } from './codebook/layout.ts'
import { iq1 } from './codebook/tables.ts'
import { type LaidOutType, layoutOf, layouts } from './layout.ts'
import { type GgmlType, ggmlTypes } from './types.ts'

interface DecodeExports {
  decode(
    type: number,
    from: number,
    to: number,
    blocks: number,
    blockBytes: number,
    blockSize: number,
    groups: number,
    offsets: number,
  ): void
  decodeBooks(type: number, from: number, book: number, to: number, blocks: number, blockBytes: number): void
  unpack(
    type: number,
    from: number,
    values: number,
    scales: number,
    blocks: number,
    blockBytes: number,
    blockSize: number,
    groups: number,
    zero: number,
    mirrored: number,
  ): void
  widen(type: number, from: number, to: number, n: number): void
}

const PIECE_WEIGHTS = 1 << 16

let kernel: Arena<DecodeExports> | null = null
const ownKernel = () => (kernel ??= openKernel<DecodeExports>('ggml-decode'))

/** Blocks of a GGUF type as float32, the same bits that ggml gives. `out` takes the weights when given.
 *  Faults 'bad-input' on a length that is no whole number of blocks. */
export function decodeBlocks(type: GgmlType, bytes: Uint8Array, out?: Float32Array): Float32Array {
  const { blockSize } = ggmlTypes[type]
  const count = blocksIn(type, bytes) * blockSize
  if (out !== undefined && out.length < count)
    throw new Fault('internal', `${count} weights do not fit in ${out.length} places.`)
  const weights = out?.subarray(0, count) ?? new Float32Array(count)
  inPieces(type, bytes, (part, first, blocks) => {
    weights.set(decodePiece(type, part, blocks), first * blockSize)
  })
  return weights
}

function decodePiece(type: GgmlType, part: Uint8Array, blocks: number): Float32Array {
  const arena = ownKernel()
  const { id, blockBytes, blockSize } = ggmlTypes[type]
  const book = bookOf(type)
  const [from = 0, to = 0, values = 0] = arena.lay(part.length, blocks * blockSize * 4, book?.length ?? 0)
  arena.bytes(from, part.length).set(part)
  if (book) {
    arena.bytes(values, book.length).set(book)
    arena.exports.decodeBooks(id, from, values, to, blocks, blockBytes)
    return arena.floats(to, blocks * blockSize)
  }
  const { groups, offsets } = shapeOf(type)
  if (blockSize === 1) arena.exports.widen(id, from, to, blocks)
  else arena.exports.decode(id, from, to, blocks, blockBytes, blockSize, groups, Number(offsets))
  return arena.floats(to, blocks * blockSize)
}

/** Values of a code book, word after word. */
function bookOf(type: GgmlType): Int8Array | null {
  if (type === 'IQ1_S' || type === 'IQ1_M') return iq1.values
  return isCodebookType(type) ? codebookLayout(type).book.values : null
}

/** Types of one scale that are not laid out in bits (TQ1_0) count as one group. */
function shapeOf(type: GgmlType): { groups: number; offsets: boolean } {
  if (!Object.hasOwn(layouts, type)) return { groups: 1, offsets: false }
  const { groups, m } = layoutOf(type as LaidOutType)
  return { groups, offsets: m !== undefined }
}

/** Codes (one a byte) and scales (one a group) of types without offsets: weight = scale * (code - zero), or with `mirrored`
 *  scale * (zero - code). */
export function unpackBlocks(
  type: LaidOutType,
  bytes: Uint8Array,
  zero: number,
  mirrored: boolean,
): { codes: Uint8Array; scales: Float32Array } {
  const { id, blockBytes, blockSize } = ggmlTypes[type]
  const { groups } = layoutOf(type)
  const count = blocksIn(type, bytes)
  const codes = new Uint8Array(count * blockSize)
  const scales = new Float32Array(count * groups)
  inPieces(type, bytes, (part, first, blocks) => {
    const arena = ownKernel()
    const [from = 0, to = 0, factors = 0] = arena.lay(part.length, blocks * blockSize, blocks * groups * 4)
    arena.bytes(from, part.length).set(part)
    const shape = [blocks, blockBytes, blockSize, groups] as const
    arena.exports.unpack(id, from, to, factors, ...shape, zero, Number(mirrored))
    codes.set(arena.bytes(to, blocks * blockSize), first * blockSize)
    scales.set(arena.floats(factors, blocks * groups), first * groups)
  })
  return { codes, scales }
}

function blocksIn(type: GgmlType, bytes: Uint8Array): number {
  const { blockBytes } = ggmlTypes[type]
  if (bytes.length % blockBytes === 0) return bytes.length / blockBytes
  const message = `${bytes.length} bytes are no whole number of ${type} blocks of ${blockBytes} bytes.`
  throw new Fault('bad-input', message, {
    data: { expected: `a multiple of ${blockBytes} bytes`, found: `${bytes.length}` },
  })
}

function inPieces(
  type: GgmlType,
  bytes: Uint8Array,
  visit: (part: Uint8Array, firstBlock: number, blocks: number) => void,
): void {
  const { blockBytes, blockSize } = ggmlTypes[type]
  const step = PIECE_WEIGHTS / blockSize
  const blocks = bytes.length / blockBytes
  for (let first = 0; first < blocks; first += step) {
    const count = Math.min(step, blocks - first)
    visit(bytes.subarray(first * blockBytes, (first + count) * blockBytes), first, count)
  }
}
