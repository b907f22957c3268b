import { floatToHalf } from '../../src-main/engine/checkpoint/convert.ts'
import { decodeBlocks } from '../../src-main/engine/kernels/ggml/decode.ts'
import { encodeReference } from '../../src-main/engine/kernels/ggml/encode.ref.ts'
import { encodeStream } from '../../src-main/engine/kernels/ggml/encode.ts'
import { isCodebookType } from '../../src-main/engine/kernels/ggml/codebook/layout.ts'
import { type GgmlType, ggmlTypes, writableTypes } from '../../src-main/engine/kernels/ggml/types.ts'
import { gaussianMatrix } from '../engine/kernels/random.ts'
import { ggmlQuantize, hasGgml, skipReason } from '../helpers/ggml.ts'
import { type Contender, printTable, sideBySide } from './measure.ts'

const [ROWS, COLS] = [512, 2048]

/** Encoding float16 weights, in bytes of float16 a second, and decoding, in bytes of float32 made. llama.cpp's own routine
 *  (which is given float32, on one thread) runs in turn with ours. */
export function benchGgml(): void {
  if (!hasGgml) console.log(skipReason)
  const { data } = gaussianMatrix(ROWS, COLS, 3)
  const half = new Uint8Array(floatToHalf(data).buffer)
  const importance = Float32Array.from({ length: COLS }, (_, i) => 1 + (i % 7))
  const bytes = half.length
  const encode = (type: GgmlType, threads: number, weights?: Float32Array) => {
    for (const blocks of encodeStream(type, 'float16', COLS, pieces(half), { threads, importance: weights }))
      if (blocks.length === 0) throw new Error('nothing encoded')
  }
  for (const type of writableTypes.filter((candidate) => !isCodebookType(candidate))) {
    const blockType = ggmlTypes[type].blockSize > 1
    const contenders: Contender[] = [
      { name: 'one thread', bytes, run: () => encode(type, 1) },
      { name: 'two threads', bytes, run: () => encode(type, 2) },
    ]
    if (blockType) contenders.push({ name: 'two threads, weighted', bytes, run: () => encode(type, 2, importance) })
    if (blockType && hasGgml)
      contenders.push({ name: 'ggml, one thread', bytes, run: () => ggmlQuantize(type, data, COLS) })
    const few = data.subarray(0, 8 * COLS)
    contenders.push({ name: 'plain twin', bytes: few.length * 2, run: () => encodeReference(type, few, null) })
    const blocks = encodedOnce(type, half)
    contenders.push({ name: 'decoded', bytes: data.length * 4, run: () => decodeBlocks(type, blocks) })
    printTable(`ggml ${type}`, sideBySide(contenders, 5))
  }
}

/** A quarter of the rows at a time, as a file is read. */
function* pieces(half: Uint8Array): Generator<Uint8Array> {
  for (let begin = 0; begin < half.length; begin += half.length / 4) yield half.subarray(begin, begin + half.length / 4)
}

function encodedOnce(type: GgmlType, half: Uint8Array): Uint8Array {
  const parts = Array.from(encodeStream(type, 'float16', COLS, pieces(half)), (part) => part.slice())
  return new Uint8Array(Buffer.concat(parts))
}
