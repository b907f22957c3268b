import { expect, test } from 'vitest'
import { floatToBfloat, floatToHalf, halfToFloat } from '../../../../src-main/engine/checkpoint/convert.ts'
import { decodeBlocks } from '../../../../src-main/engine/kernels/ggml/decode.ts'
import { encodeRows, encodeStream } from '../../../../src-main/engine/kernels/ggml/encode.ts'
import { ggmlTypes, writableTypes } from '../../../../src-main/engine/kernels/ggml/types.ts'
import { faultOf } from '../../checkpoint/temporary.ts'
import { gaussianMatrix, uniform } from '../random.ts'

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint16Array | Float32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength)
const blockTypes = writableTypes.filter((type) => ggmlTypes[type].blockSize > 1)

function collect(stream: Iterable<Uint8Array>): Uint8Array {
  return new Uint8Array(Buffer.concat(Array.from(stream, (part) => part.slice()))) // each lives until the next is asked for
}

test('bytes of float16 and bfloat16 become what their float32 values become, in any pieces and on any threads', () => {
  const { data, rows, cols } = gaussianMatrix(150, 512, 8)
  data[5] = 3e-6 // subnormal as float16
  const importance = Float32Array.from({ length: cols }, (_, i) => 1 + (i % 5))
  const sources = { float16: floatToHalf(data), bfloat16: floatToBfloat(data) }
  for (const [dtype, bits] of Object.entries(sources) as ['float16' | 'bfloat16', Uint16Array][]) {
    const widened =
      dtype === 'float16'
        ? halfToFloat(new Uint16Array(bits))
        : new Float32Array(Uint32Array.from(bits, (b) => b * 65536).buffer)
    for (const type of ['F32', 'F16', 'BF16', 'Q8_0', 'Q4_1', 'Q4_K', 'IQ4_XS'] as const)
      for (const weights of [undefined, importance]) {
        const whole = encodeRows(type, { rows, cols, weights: widened }, { importance: weights, threads: 1 })
        for (const [pieces, threads] of [
          [1, 2],
          [7, 2],
          [149, 3],
        ] as const) {
          const width = cols * 2
          function* source() {
            for (let begin = 0; begin < rows; begin += pieces)
              yield bytesOf(bits).subarray(begin * width, Math.min(begin + pieces, rows) * width)
          }
          const found = collect(encodeStream(type, dtype, cols, source(), { importance: weights, threads }))
          expect(Buffer.from(found).equals(whole), `${type} from ${dtype}`).toBe(true)
        }
      }
  }
})

test('an empty stream gives nothing', () => {
  expect([...encodeStream('Q8_0', 'float16', 32, [])]).toEqual([])
})

test.each(writableTypes)('%s: NaN, infinity and what the type cannot hold are named by place', (type) => {
  const cols = Math.max(32, ggmlTypes[type].blockSize)
  const faultAt = (value: number) => {
    const { data, rows } = gaussianMatrix(40, cols, 3)
    data[37 * cols + 9] = value
    return faultOf(() => encodeRows(type, { rows, cols, weights: data }, { layer: 'blk.0', threads: 2 }))
  }
  for (const value of [NaN, Infinity, -Infinity]) {
    const fault = faultAt(value)
    expect(fault.code).toBe('bad-input')
    expect(fault.message).toBe(`Layer blk.0: weight [37, 9] is ${value}, which ${type} cannot hold.`)
  }
  if (type === 'F32') return
  expect(faultAt(type === 'BF16' ? 3.4e38 : 70000).hint).toContain(type === 'BF16' ? 'F32' : 'BF16')
})

test.each(blockTypes)('%s: zeros stay zero; tiny and large rows keep their error', (type) => {
  const cols = Math.max(64, ggmlTypes[type].blockSize)
  const rows = 4
  expect(
    decodeBlocks(type, encodeRows(type, { rows, cols, weights: new Float32Array(rows * cols) })).every((v) => v === 0),
  ).toBe(true)
  const relative = (scale: number) => {
    const { data } = gaussianMatrix(rows, cols, 21)
    const weights = data.map((value) => value * scale)
    const found = decodeBlocks(type, encodeRows(type, { rows, cols, weights }))
    expect(found.every(Number.isFinite)).toBe(true)
    const [wrong, all] = weights.reduce(([e, s], value, i) => [e + (value - (found[i] ?? 0)) ** 2, s + value ** 2], [
      0, 0,
    ] as [number, number])
    return wrong / all
  }
  const usual = relative(1)
  expect(usual).toBeLessThan(0.2)
  expect(relative(2 ** 14) / usual).toBeCloseTo(1, 1)
  // Where scales fall below float16's normal range they lose bits, and below its least number all is zero.
  for (const scale of [1e-4, 1e-6, 1e-12, 1e-35]) expect(relative(scale)).toBeLessThanOrEqual(1)
})

test('rows that are no whole blocks, types that are not written, and bad importance are refused by name', () => {
  const encode = (type: 'Q8_0' | 'Q8_1' | 'F16', cols: number, importance?: Float32Array) => () =>
    encodeRows(type, { rows: 2, cols, weights: new Float32Array(2 * cols).fill(1) }, { layer: 'a', importance })
  expect(faultOf(encode('Q8_0', 1)).message).toBe('Layer a: rows of 1 weights are no whole Q8_0 blocks of 32.')
  expect(encode('F16', 1)().length).toBe(4)
  expect(faultOf(encode('Q8_1', 32)).message).toBe('Layer a: weights cannot be written as Q8_1.')
  const wrong = new Float32Array(32).fill(1)
  expect(faultOf(encode('Q8_0', 32, wrong.subarray(1))).message).toContain('its importance is 31 numbers')
  for (const value of [NaN, Infinity, -1]) {
    wrong[3] = value
    expect(faultOf(encode('Q8_0', 32, wrong)).message).toContain(`its importance is ${value} for column 3`)
  }
})

test('columns that never mattered, and importance of any size, do no harm', () => {
  const { data, rows, cols } = gaussianMatrix(8, 512, 4)
  const next = uniform(1)
  for (const factor of [1e-30, 1, 1e30])
    for (const type of blockTypes) {
      const importance = Float32Array.from({ length: cols }, (_, i) => (i < 300 ? 0 : next() * factor))
      const found = decodeBlocks(type, encodeRows(type, { rows, cols, weights: data }, { importance }))
      const wrong = data.reduce((sum, value, i) => sum + (value - (found[i] ?? 0)) ** 2, 0)
      expect(wrong / data.reduce((sum, value) => sum + value * value, 0), type).toBeLessThan(0.4)
    }
  const zeros = encodeRows('Q4_K', { rows, cols, weights: data }, { importance: new Float32Array(cols) })
  expect(Buffer.from(zeros).equals(encodeRows('Q4_K', { rows, cols, weights: data }))).toBe(true)
})
