// Codes, scales and zero points of a QuantizedMatrix in the byte layouts the emitted nodes expect.
import { packBits } from '../../kernels/bits.ts'
import { encodeScales } from '../../kernels/float16.ts'
import type { QuantizedMatrix } from '../../quantize/types.ts'

/** [rows, cols] to [cols, rows], in square tiles so that both sides stay in cache. */
export function transpose<T extends Uint8Array | Float32Array>(from: T, to: T, rows: number, cols: number): T {
  const tile = 32
  for (let top = 0; top < rows; top += tile) {
    const bottom = Math.min(rows, top + tile)
    for (let left = 0; left < cols; left += tile) {
      const right = Math.min(cols, left + tile)
      for (let row = top; row < bottom; row++) {
        for (let col = left; col < right; col++) to[col * rows + row] = from[row * cols + col] ?? 0
      }
    }
  }
  return to
}

/** Codes in the tensor's memory order, one a byte. */
export const codesInOrder = (q: QuantizedMatrix, transposed: boolean): Uint8Array =>
  transposed ? transpose(q.codes, new Uint8Array(q.codes.length), q.rows, q.cols) : q.codes

/** Codes as signed bytes around 2^(bits-1): what int8 tensors with zero point 0 hold. */
export function signedCodes(codes: Uint8Array, bits: number): Uint8Array {
  const half = 1 << (bits - 1)
  return codes.map((code) => (code - half) & 0xff)
}

/** One plane of the codes: `width` bits from bit `shift` on, 8 / width codes a byte, the first in the lowest bits. */
export function packPlane(codes: Uint8Array, width: number, shift: number): Uint8Array {
  const mask = (1 << width) - 1
  return packBits(
    codes.map((code) => (code >> shift) & mask),
    width,
  )
}

/** Scales in the order the view asks for, as float16 or float32 bytes. */
export function packScales(q: QuantizedMatrix, transposed: boolean, type: 'float16' | 'float32'): Uint8Array {
  const turn = transposed && q.scales.length === q.rows * q.groups
  const scales = turn ? transpose(q.scales, new Float32Array(q.scales.length), q.rows, q.groups) : q.scales
  return encodeScales(scales, type)
}

/** Zero points in the order the view asks for, one a byte. */
export const zerosInOrder = (q: QuantizedMatrix, transposed: boolean): Uint8Array =>
  transposed && q.zeros.length === q.rows * q.groups
    ? transpose(q.zeros, new Uint8Array(q.zeros.length), q.rows, q.groups)
    : q.zeros

/** MatMulNBits B: [rows, blocks, blockSize * bits / 8], each row padded with zero bits to whole blocks. */
export function packBlocks(q: QuantizedMatrix, blockSize: number): Uint8Array {
  const padded = Math.ceil(q.cols / blockSize) * blockSize
  return packRows(q.codes, q.rows, q.cols, padded, q.bits)
}

/** MatMulNBits zero_points: [rows, ceil(blocks * bits / 8)], each row starting on a byte. */
export function packBlockZeros(q: QuantizedMatrix): Uint8Array {
  const perByte = 8 / q.bits
  return packRows(q.zeros, q.rows, q.groups, Math.ceil(q.groups / perByte) * perByte, q.bits)
}

function packRows(values: Uint8Array, rows: number, cols: number, padded: number, bits: number): Uint8Array {
  const wide = padRows(values, rows, cols, padded)
  return bits === 8 ? wide : packBits(wide, bits)
}

/** [rows, cols] to [rows, padded], zeros at the end of each row. */
export function padRows(values: Uint8Array, rows: number, cols: number, padded: number): Uint8Array {
  if (padded === cols) return values
  const wide = new Uint8Array(rows * padded)
  for (let row = 0; row < rows; row++) wide.set(values.subarray(row * cols, (row + 1) * cols), row * padded)
  return wide
}
