// A layer as codewords of a low-dimensional book (quantize/lr2vq.ts): sub-vector of m weights = scale[row] x words[code] L.
//
//   codes   U8   [ceil(rows x blocks x bits / 8)]   one little-endian bit stream, row after row; blocks = ceil(cols / m), what
//                                                   a last one has behind its end is dropped; bits = ceil(log2 k)
//   words   I8   [k, d]
//   lift    F32  [d, m]                             L
//   scales  F16  [rows, 1]
//   settings: k, m, d
import type { Option } from '../../../../src-preload/contract/plan.ts'
import { packedBytes, unpackBits } from '../../kernels/bits.ts'
import { decodeScales } from '../../kernels/float16.ts'
import { placeWords } from '../../kernels/vectors/kmeans.ts'
import { lifted } from '../lr2vq/fit.ts'
import { type BookShape, codeBits } from '../lr2vq/shape.ts'
import type { CodedForm, CodedMatrix, Coding } from './define.ts'

export function lr2vqForm({ k, m, d }: BookShape, { rows, cols }: { rows: number; cols: number }): CodedForm {
  const codes = rows * Math.ceil(cols / m)
  return {
    ...{ rows, cols, coding: 'lr2vq', settings: { k, m, d } },
    parts: {
      codes: { dtype: 'uint8', shape: [packedBytes(codes, codeBits({ k }))] },
      words: { dtype: 'int8', shape: [k, d] },
      lift: { dtype: 'float32', shape: [d, m] },
      scales: { dtype: 'float16', shape: [rows, 1] },
    },
  }
}

const shapeOf = ({ settings }: Pick<CodedMatrix, 'settings'>): BookShape => ({
  k: Number(settings.k),
  m: Number(settings.m),
  d: Number(settings.d),
})
const bytes = (matrix: CodedMatrix, name: string) => matrix.parts[name]?.data ?? new Uint8Array()
const scalesOf = (matrix: CodedMatrix) => decodeScales(bytes(matrix, 'scales'), 'float16')
const liftOf = (matrix: CodedMatrix) => decodeScales(bytes(matrix, 'lift'), 'float32')

export const lr2vqCoding: Coding = {
  id: 'lr2vq',
  title: 'Low-rank codebook',
  decode(matrix, begin, end) {
    const { k, m, d } = shapeOf(matrix)
    const { cols } = matrix
    const [blocks, bits] = [Math.ceil(cols / m), codeBits({ k })]
    const words = Float32Array.from(new Int8Array(bytes(matrix, 'words').slice().buffer))
    const book = lifted({ words, lift: liftOf(matrix) }, d, m)
    const scales = scalesOf(matrix)
    const first = Math.floor((begin * blocks) / 8) * 8 // a byte's edge
    const stream = bytes(matrix, 'codes').subarray((first * bits) / 8)
    const codes = unpackBits(stream, bits, end * blocks - first).subarray(begin * blocks - first)
    const values = placeWords(book, m, Uint32Array.from(codes))
    return scaledRows(values, blocks * m, cols, scales.subarray(begin, end))
  },
  fault(matrix) {
    const shape = shapeOf(matrix)
    const within = (value: number, least: number, most: number) =>
      Number.isInteger(value) && value >= least && value <= most
    if (!within(shape.k, 2, 256) || !within(shape.m, 1, 64) || !within(shape.d, 1, shape.m))
      return `no book of ${shape.k} words of ${shape.m} weights in ${shape.d} dimensions`
    if (shape.k & (shape.k - 1)) return `${shape.k} words are no power of two`
    for (const [name, { dtype, shape: dims }] of Object.entries(lr2vqForm(shape, matrix).parts)) {
      const size = dims.reduce((product, n) => product * n, { float32: 4, float16: 2 }[dtype as 'float16'] ?? 1)
      const found = matrix.parts[name]
      if (found?.dtype !== dtype || found.data.byteLength !== size)
        return `part ${name} is not ${size} bytes of ${dtype}`
    }
    const finite = [liftOf(matrix), scalesOf(matrix)].every((numbers) => numbers.every(Number.isFinite))
    return finite ? null : 'a scale or a number of the lift is not finite'
  },
  form(option: Option, shape) {
    if (option.method !== 'lr2vq') return null
    const { k, m, d } = option.parameters as unknown as BookShape
    return lr2vqForm({ k, m, d }, shape)
  },
}

/** [rows, width] to [rows, cols], each row times its scale. */
function scaledRows(values: Float32Array, width: number, cols: number, scales: Float32Array): Float32Array {
  const out = new Float32Array(scales.length * cols)
  scales.forEach((scale, r) => {
    for (let c = 0; c < cols; c++) out[r * cols + c] = (values[r * width + c] ?? 0) * scale
  })
  return out
}
