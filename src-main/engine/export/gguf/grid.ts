// Uniform grids that are blocks already: groups of 32 (or a multiple, the scale repeated), symmetric, float16 scales.
//   w = (code - zero) * scale = scale * (q - z), z = 8 for Q4_0, 16 for Q5_0, 0 with signed codes for Q8_0
// Nothing is rounded again. Layout of the blocks: kernels/ggml/layout.ts.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Option } from '../../../../src-preload/contract/plan.ts'
import { floatToHalf } from '../../checkpoint/convert.ts'
import { type GgmlType, ggmlTypes } from '../../kernels/ggml/types.ts'
import type { BlockMatrix, QuantizedMatrix } from '../../quantize/types.ts'

const BLOCK = 32
const typeFor = (bits: number): 'Q4_0' | 'Q5_0' | 'Q8_0' => (bits <= 4 ? 'Q4_0' : bits === 5 ? 'Q5_0' : 'Q8_0')

/** The block type that holds what such an option makes of rows of `cols` weights, exactly; null where there is none. */
export function packedGridType({ method, bits, parameters }: Option, cols: number): GgmlType | null {
  if (method === 'ggml' || method === 'keep' || parameters.symmetric !== true || cols % BLOCK !== 0) return null
  const { granularity, groupSize } = parameters
  const whole = granularity === 'channel' || granularity === 'tensor'
  return whole || (typeof groupSize === 'number' && groupSize % BLOCK === 0) ? typeFor(bits) : null
}

/** The grid as blocks. Faults 'unsupported' where that would change a weight (float32 scales). */
export function packGrid(q: QuantizedMatrix, layer: string): BlockMatrix {
  const { rows, cols, bits, groupSize, groups } = q
  const type = typeFor(bits)
  if (!q.symmetric || cols % BLOCK !== 0 || (groups > 1 && groupSize % BLOCK !== 0) || q.scaleType !== 'float16')
    throw new Fault('unsupported', `${layer}: its grid cannot be written as ${type} blocks without rounding again.`, {
      hint: 'Plan for the format "gguf".',
      data: { tensor: layer, expected: 'symmetric groups of 32 with float16 scales' },
    })
  const { blockBytes } = ggmlTypes[type]
  const perRow = cols / BLOCK
  const blocks = new Uint8Array(rows * perRow * blockBytes)
  const scales = floatToHalf(q.scales)
  const zero = 2 ** (bits - 1)
  for (let row = 0; row < rows; row++)
    for (let b = 0; b < perRow; b++) {
      const at = (row * perRow + b) * blockBytes
      const grid = q.granularity === 'tensor' ? 0 : row * groups + Math.floor((b * BLOCK) / groupSize)
      const scale = scales[grid] ?? 0
      blocks[at] = scale & 0xff
      blocks[at + 1] = scale >> 8
      const codes = q.codes.subarray(row * cols + b * BLOCK, row * cols + (b + 1) * BLOCK)
      if (type === 'Q8_0') for (let i = 0; i < BLOCK; i++) blocks[at + 2 + i] = (codes[i] as number) - zero
      else packNarrow(blocks, at + 2, codes, type === 'Q4_0' ? 8 - zero : 16 - zero, type === 'Q5_0')
    }
  return { rows, cols, type, blocks }
}

/** Halves of code j and j + 16 share a byte; fifth bits, if any, stand in the four bytes before. */
function packNarrow(blocks: Uint8Array, at: number, codes: Uint8Array, shift: number, fifth: boolean): void {
  const first = fifth ? at + 4 : at
  for (let j = 0; j < 16; j++) {
    const [low, high] = [(codes[j] as number) + shift, (codes[j + 16] as number) + shift]
    blocks[first + j] = (low & 15) | ((high & 15) << 4)
    if (!fifth) continue
    blocks[at + (j >> 3)] = (blocks[at + (j >> 3)] as number) | ((low >> 4) << (j & 7))
    blocks[at + 2 + (j >> 3)] = (blocks[at + 2 + (j >> 3)] as number) | ((high >> 4) << (j & 7))
  }
}
