import { expect, test } from 'vitest'
import { packedGridType, packGrid } from '../../../../src-main/engine/export/gguf/grid.ts'
import { decodeBlocks } from '../../../../src-main/engine/kernels/ggml/decode.ts'
import { dequantize } from '../../../../src-main/engine/quantize/dequantize.ts'
import { applyPlain, rtnOption } from '../../../../src-main/engine/quantize/options.ts'
import { faultOf } from '../../checkpoint/temporary.ts'
import { gaussianMatrix } from '../../kernels/random.ts'
import { gridOf } from '../../../helpers/matrix.ts'

const widths = [2, 3, 4, 5, 6, 7, 8]
const wanted = { 2: 'Q4_0', 3: 'Q4_0', 4: 'Q4_0', 5: 'Q5_0', 6: 'Q8_0', 7: 'Q8_0', 8: 'Q8_0' } as Record<number, string>

test.each(widths)('%i bits: groups of 32, of 64 and whole rows become blocks without another rounding', (bits) => {
  for (const groupSize of [32, 64, null]) {
    const option = rtnOption(bits, groupSize)
    const q = gridOf(applyPlain(gaussianMatrix(7, 192, bits), option))
    const packed = packGrid(q, 'layer')
    expect(packed.type).toBe(wanted[bits])
    expect(packedGridType(option, 192)).toBe(wanted[bits])
    expect(decodeBlocks(packed.type, packed.blocks)).toEqual(dequantize(q).data)
  }
})

test('grids that no block holds are refused, never rounded again', () => {
  expect(packedGridType(rtnOption(4, 32, false), 64)).toBeNull()
  expect(packedGridType(rtnOption(4, 32), 40)).toBeNull()
  expect(packedGridType(rtnOption(4, 16), 64)).toBeNull()
  const affine = gridOf(applyPlain(gaussianMatrix(4, 64, 1), rtnOption(4, 32, false)))
  expect(faultOf(() => packGrid(affine, 'a')).code).toBe('unsupported')
  const tiny = gaussianMatrix(4, 64, 1, 1e-12) // scales below float16
  const wide = gridOf(applyPlain(tiny, rtnOption(4, 32)))
  expect(wide.scaleType).toBe('float32')
  expect(faultOf(() => packGrid(wide, 'a')).code).toBe('unsupported')
})
