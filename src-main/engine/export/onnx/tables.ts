import { text } from '../../graph/ir.ts'
import { castTo, chain, type Link, type Scope } from './scope.ts'

const BYTE = Array.from({ length: 256 }, (_, byte) => byte)

/** What each byte holds, as float32 [256, 8 / width]: T[byte, j] = code j of the byte times 2^shift, minus offset.
 *  Computed in the graph from the 256 byte values, once for all weights that need it. */
export function byteTable(scope: Scope, plane: { width: number; shift: number; offset: number }): string {
  const { width, shift, offset } = plane
  const codes = scope.once(`table ${width}`, (shared) => {
    const shifts = Array.from({ length: 8 / width }, (_, j) => j * width)
    return chain(scope, shared, scope.constant('uint8', [256, 1], BYTE), [
      {
        op: 'BitShift',
        inputs: [scope.constant('uint8', [shifts.length], shifts)],
        attributes: { direction: text('RIGHT') },
      },
      { op: 'Mod', inputs: [scope.constant('uint8', [1], [1 << width])] },
      castTo('float32'),
    ])
  })
  const links: Link[] = []
  if (shift > 0) links.push({ op: 'Mul', inputs: [scope.constant('float32', [], [1 << shift])] })
  if (offset > 0) links.push({ op: 'Sub', inputs: [scope.constant('float32', [], [offset])] })
  return scope.once(`table ${width} ${shift} ${offset}`, (shared) => chain(scope, shared, codes, links))
}
