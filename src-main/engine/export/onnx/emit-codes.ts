import type { QuantizedMatrix } from '../../quantize/types.ts'
import { planesOf, type StoredMatrix } from './form.ts'
import { packPlane, signedCodes } from './pack.ts'
import { castTo, chain, later, type Link, type Piece, type Scope } from './scope.ts'
import { byteTable } from './tables.ts'

export interface Codes<M extends StoredMatrix = QuantizedMatrix> {
  bits: number // 2..8
  shape: number[]
  /** Subtracted from each code: 2^(bits-1) where the weight is symmetric, else 0. */
  offset: number
  values: (q: M) => Uint8Array // one code a byte, in the order of `shape`
}

/** Unpacks codes into float32 of `shape`. 8 bits are one Cast. Other widths are planes of bytes (form.ts draws them);
 *  each byte looks up the codes it holds in a table that all weights share:
 *
 *      plane of width w   uint8 [bytes] -> Cast -> Gather(table [256, 8 / w]) -> float32 [bytes, 8 / w]
 *      code               sum of its planes, each seen as [-1, 8]; the table already holds 2^shift and the offset
 *
 *  Codes are padded with zeros to a multiple of 8, so that all planes count the same. */
export function emitCodes<M extends StoredMatrix = QuantizedMatrix>(
  scope: Scope,
  piece: Piece,
  codes: Codes<M>,
): string {
  const { bits, offset, shape, values } = codes
  if (bits === 8) {
    const bytes = later<M>(scope, piece, offset > 0 ? 'int8' : 'uint8', shape, (q) =>
      offset > 0 ? signedCodes(values(q), bits) : values(q),
    )
    return chain(scope, piece, bytes, [castTo('float32')])
  }
  const count = shape.reduce((product, size) => product * size, 1)
  const planes = planesOf(bits).map(({ width, shift }, index) => {
    const bytes = Math.ceil(count / 8) * width
    const packed = later<M>(scope, piece, 'uint8', [bytes], (q) => padded(packPlane(values(q), width, shift), bytes))
    const table = byteTable(scope, { width, shift, offset: index === 0 ? offset : 0 })
    return chain(scope, piece, packed, [castTo('int32'), { op: 'Gather', before: [table] }])
  })
  const [first = '', ...others] = planes
  const inEights = others.length === 0 ? [] : [reshapeTo(scope, [-1, 8])]
  const sum = others.reduce(
    (total, plane) => chain(scope, piece, total, [{ op: 'Add', inputs: [chain(scope, piece, plane, inEights)] }]),
    chain(scope, piece, first, inEights),
  )
  const cut = count % 8 === 0 ? [] : cutTo(scope, count)
  return chain(scope, piece, sum, [...cut, reshapeTo(scope, shape)])
}

const padded = (bytes: Uint8Array, length: number): Uint8Array => {
  if (bytes.length === length) return bytes
  const whole = new Uint8Array(length)
  whole.set(bytes)
  return whole
}

export const reshapeTo = (scope: Scope, shape: readonly number[]): Link => ({
  op: 'Reshape',
  inputs: [scope.constant('int64', [shape.length], shape)],
})

export const cutTo = (scope: Scope, count: number): Link[] => [
  reshapeTo(scope, [-1]),
  { op: 'Slice', inputs: [scope.constant('int64', [1], [0]), scope.constant('int64', [1], [count])] },
]
