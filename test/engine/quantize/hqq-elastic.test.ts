import { expect, test } from 'vitest'
import { weightError } from '../../../src-main/engine/quantize/dequantize.ts'
import {
  elastic,
  elasticErrors,
  elasticParent,
  elasticWidths,
  readWidth,
} from '../../../src-main/engine/quantize/elastic.ts'
import { hqq } from '../../../src-main/engine/quantize/hqq.ts'
import { applyPlain, rtnOption } from '../../../src-main/engine/quantize/options.ts'
import { rowsOf } from '../../../src-main/engine/quantize/rows.ts'
import type { QuantizedMatrix, WeightMatrix } from '../../../src-main/engine/quantize/types.ts'
import type { Option } from '../../../src-preload/contract/plan.ts'
import { gridOf } from '../../helpers/matrix.ts'
import { gaussianMatrix, uniform } from '../kernels/random.ts'

/** Normal weights with a few far outside, as language models have them. Seed 31. */
function withOutliers(rows: number, cols: number): WeightMatrix {
  const [matrix, chance] = [gaussianMatrix(rows, cols, 31), uniform(32)]
  matrix.data.forEach((w, i) => {
    if (chance() < 0.01) matrix.data[i] = w * 8
  })
  return matrix
}

const norm = (matrix: WeightMatrix, q: QuantizedMatrix, p: number): number => {
  let sum = 0
  matrix.data.forEach((w, i) => {
    const at = Math.floor(i / q.cols) * q.groups + Math.floor((i % q.cols) / q.groupSize)
    sum += Math.abs(w - Math.fround(((q.codes[i] ?? 0) - (q.zeros[at] ?? 0)) * (q.scales[at] ?? 0))) ** p
  })
  return sum
}
const twin = (method: typeof hqq | typeof elastic, plain: Option, parameters = {}): Option => {
  const found = method.twin?.(plain, method.params.parse(parameters) as never)
  if (!found) throw new Error(`no twin of ${plain.id}`)
  return found
}
const made = (matrix: WeightMatrix, option: Option, context = {}) =>
  gridOf(applyPlain(matrix, option, { layer: 'w', ...context }))

test('HQQ lowers the norm it is for at every width, from either start', () => {
  const matrix = withOutliers(64, 256)
  for (const bits of [2, 3, 4, 8])
    for (const symmetric of [true, false])
      for (const p of [0.5, 0.75]) {
        const searched = rtnOption(bits, 64, symmetric)
        for (const search of ['none', 'mse']) {
          const plain = { ...searched, parameters: { ...searched.parameters, search } }
          const [q, rtn] = [made(matrix, twin(hqq, plain, { norm: p, search })), made(matrix, plain)]
          expect(norm(matrix, q, p), `${bits} bits, p ${p}`).toBeLessThan(norm(matrix, rtn, p))
          expect({ ...q, codes: 0, scales: 0, zeros: 0 }).toEqual({ ...rtn, codes: 0, scales: 0, zeros: 0 })
          for (const threads of [1, 3])
            expect(made(matrix, twin(hqq, plain, { norm: p, search }), { threads })).toEqual(q)
        }
      }
})

test('from the searched grid, HQQ loses no squared error for its norm unless slack is given', () => {
  const matrix = withOutliers(64, 256)
  const rows = rowsOf(matrix)
  for (const bits of [2, 3, 4])
    for (const symmetric of [true, false]) {
      const plain = rtnOption(bits, 64, symmetric)
      const errorOf = (option: Option) => weightError(rows, made(matrix, option)).relative
      const start = errorOf(plain)
      expect(errorOf(twin(hqq, plain))).toBeLessThanOrEqual(start)
      expect(errorOf(twin(hqq, plain, { slack: 1000 }))).toBeGreaterThan(start)
      expect(errorOf(twin(hqq, plain, { slack: 0.02 }))).toBeLessThanOrEqual(1.02 * start)
    }
})

test('twins store what the plain option stores', () => {
  const plain = rtnOption(3, 32, false)
  expect(twin(hqq, plain)).toMatchObject({ id: 'hqq-3-g32-affine', method: 'hqq', bits: 3, form: 'rtn-3-g32-affine' })
  expect(twin(elastic, rtnOption(5, null))).toMatchObject({ id: 'elastic-5-channel', form: 'rtn-5-channel' })
  const parameters = elastic.params.parse({})
  expect(elastic.twin?.(plain, parameters)).toBeNull() // all widths share a zero point in the middle
  const whole = { ...plain, parameters: { ...plain.parameters, granularity: 'tensor' } }
  expect(hqq.twin?.(whole, hqq.params.parse({}))).toBeNull()
  expect(hqq.twin?.({ ...plain, method: 'ggml' }, hqq.params.parse({}))).toBeNull()
})

test('all widths come from one parent, and more bits are never worse', () => {
  const matrix = gaussianMatrix(40, 200, 33)
  const parent = elasticParent(rowsOf(matrix), { granularity: 'group', groupSize: 64, lowest: 2 }, { layer: 'w' })
  const errors = elasticErrors(rowsOf(matrix), parent)
  errors.slice(1).forEach(({ bits, relative }, i) => expect(relative, `${bits} bits`).toBeLessThan(errors[i]?.relative ?? 0))
  for (const bits of elasticWidths) {
    const q = readWidth(parent, bits)
    expect(made(matrix, twin(elastic, rtnOption(bits, 64)))).toEqual(q)
    expect(errors.find((each) => each.bits === bits)?.relative).toBe(weightError(rowsOf(matrix), q).relative)
    // Widths nest: what 8 bits say decides every other width.
    q.codes.forEach((code, i) => {
      const k = 8 - bits
      expect(code).toBe(Math.min(2 ** bits - 1, Math.floor(((parent.codes[i] ?? 0) + 2 ** k / 2) / 2 ** k)))
    })
    q.scales.forEach((scale, i) => expect(scale).toBe((parent.scales[i] ?? 0) * 2 ** (8 - bits)))
    const alone = made(matrix, rtnOption(bits, 64))
    expect(weightError(rowsOf(matrix), alone).relative).toBeLessThanOrEqual(weightError(rowsOf(matrix), q).relative * 1.001)
  }
}) // prettier-ignore

test('the error of every width is told where it is asked for', () => {
  const notices: string[] = []
  const notify = (notice: string) => notices.push(notice)
  made(gaussianMatrix(4, 64, 34), twin(elastic, rtnOption(4, 32)), { notify })
  expect(notices).toEqual([])
  made(gaussianMatrix(4, 64, 34), twin(elastic, rtnOption(4, 32), { report: true }), { notify })
  expect(notices).toEqual([expect.stringMatching(/^w: relative squared error by width: 2: .*, 8: [\d.]+e-\d+\.$/)])
})

test.each([
  ['hqq', twin(hqq, rtnOption(4, 32))],
  ['hqq, affine', twin(hqq, rtnOption(3, 32, false))],
  ['elastic', twin(elastic, rtnOption(4, 32))],
])('%s: zeros, one column, odd groups, extreme sizes, weights that are not finite', (_, option) => {
  const zeros = { rows: 3, cols: 40, data: new Float32Array(120) }
  expect(weightError(rowsOf(zeros), made(zeros, option))).toMatchObject({ squaredError: 0 })
  const column = gaussianMatrix(30, 1, 35)
  expect(weightError(rowsOf(column), made(column, option)).relative).toBeLessThan(0.01)
  for (const size of [1e-12, 1e-5, 1, 1e7]) {
    const odd = gaussianMatrix(5, 77, 36, size)
    odd.data.fill(0, 77, 154)
    expect(weightError(rowsOf(odd), made(odd, option)).relative, `${size}`).toBeLessThan(0.05)
  }
  const bad = gaussianMatrix(20, 33, 37)
  bad.data[7 * 33 + 5] = NaN
  expect(() => made(bad, option)).toThrow('Layer w: weight [7, 5] is NaN.')
})

test('importance is followed', () => {
  const matrix = withOutliers(16, 128)
  const importance = Float32Array.from({ length: 128 }, (_, c) => (c % 4 === 0 ? 50 : 0.02))
  for (const option of [twin(hqq, rtnOption(3, 64, false), { norm: 0.75 }), twin(elastic, rtnOption(3, 64))]) {
    const cost = (q: QuantizedMatrix, p: number) => {
      const kept = { ...matrix, data: matrix.data.filter((_, i) => i % 4 === 0) }
      const codes = q.codes.filter((_, i) => i % 4 === 0)
      return norm(kept, { ...q, codes, cols: 32, groupSize: 16 }, p)
    }
    const p = option.method === 'hqq' ? 0.75 : 2
    expect(cost(made(matrix, option, { importance }), p), option.id).toBeLessThan(cost(made(matrix, option), p))
  }
})

test('HQQ as in the paper has less error than the plain range at few bits', () => {
  const matrix = gaussianMatrix(64, 256, 38)
  for (const bits of [2, 3, 4]) {
    const plain = rtnOption(bits, 64, false)
    const range = made(matrix, { ...plain, parameters: { ...plain.parameters, search: 'none' } })
    const [q, before] = [made(matrix, twin(hqq, plain)), weightError(rowsOf(matrix), range).relative]
    expect(weightError(rowsOf(matrix), q).relative, `${bits} bits`).toBeLessThan(before)
  }
})
