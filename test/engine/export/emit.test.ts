import { expect, test } from 'vitest'
import type { Granularity } from '../../../src-main/engine/quantize/types.ts'
import { cases, randomMatrix, relativeError, runBoth, type Case } from './helpers.ts'

const granularities: Granularity[] = ['tensor', 'channel', 'group']
const weights: [string, Case, number, number][] = [
  ['rows first', cases.plain([40, 96], 'rows'), 40, 96],
  ['columns first', cases.plain([96, 40], 'cols'), 40, 96],
  ['convolution', cases.conv(24, 7), 24, 63],
  ['recurrent, rows over two axes', cases.plain([2, 20, 96], 'rows'), 40, 96],
  ['a count that is no multiple of 8', cases.plain([3, 5, 3, 1], 'rows'), 3, 15],
]

for (const [name, one, rows, cols] of weights) {
  for (const granularity of granularities) {
    test(`${name}, ${granularity}: every width gives the dequantized weight bit for bit`, async () => {
      for (const bits of [2, 3, 4, 5, 6, 7, 8]) {
        for (const symmetric of [true, false]) {
          for (const groupSize of granularity === 'group' ? [32, 7] : [cols]) {
            const q = randomMatrix({ rows, cols, bits, symmetric, granularity, groupSize }, bits)
            const { emitted, expected, bytes, measured } = await runBoth(one, q, bits === 5 ? 11 : 13, 'folded')
            expect(emitted, `${bits} bits, groups of ${groupSize}`).toEqual(expected)
            expect(measured).toBe(bytes)
          }
        }
      }
    })
  }
}

test('products of 2, 4 and 8 bits become MatMulNBits, also with a last block that is padded and with a bias', async () => {
  for (const bits of [2, 4, 8]) {
    for (const symmetric of [true, false]) {
      for (const [cols, groupSize] of [
        [96, 32],
        [172, 32],
        [100, 16],
        [64, 128],
      ] as const) {
        const q = randomMatrix({ rows: 24, cols, bits, symmetric, granularity: 'group', groupSize }, cols)
        for (const one of [cases.matMul(24, cols), cases.gemm(24, cols)]) {
          const { emitted, expected, ops } = await runBoth(one, q, 13)
          expect(ops).toContain('MatMulNBits')
          expect(relativeError(emitted, expected)).toBeLessThan(1e-5)
        }
      }
    }
  }
})

const exactly = (rows: number, cols: number): [string, Case][] => [
  ['rows first', cases.plain([rows, cols], 'rows')],
  ['columns first', cases.plain([cols, rows], 'cols')],
  ['rows over two axes', cases.plain([2, rows / 2, cols], 'rows')],
]

for (const granularity of granularities) {
  test(`DequantizeLinear, ${granularity}: every width gives the dequantized weight bit for bit`, async () => {
    for (const [name, one] of exactly(24, 96)) {
      for (const bits of [2, 3, 4, 5, 6, 7, 8]) {
        for (const symmetric of [true, false]) {
          for (const [opset, groupSize] of [
            [13, 16] as const,
            [13, 40] as const,
            [21, 16] as const,
            [21, 40] as const,
          ]) {
            const q = randomMatrix({ rows: 24, cols: 96, bits, symmetric, granularity, groupSize }, bits)
            const { emitted, expected, ops, bytes, measured } = await runBoth(one, q, opset)
            const what = `${name}, ${bits} bits, groups of ${groupSize}, opset ${opset}`
            const held = granularity !== 'group' || opset === 21 || groupSize === 16
            expect(ops.includes('DequantizeLinear'), what).toBe(held)
            expect(emitted, what).toEqual(expected)
            expect(measured).toBe(bytes)
          }
        }
      }
    }
  })
}

test('convolutions and products read a weight through DequantizeLinear', async () => {
  const products = [cases.matMul(24, 100), cases.gemm(24, 100)]
  for (const [one, cols] of [[cases.conv(24, 7), 63] as const, ...products.map((product) => [product, 100] as const)]) {
    for (const granularity of granularities) {
      for (const bits of [2, 3, 4, 5, 6, 7, 8]) {
        for (const [symmetric, opset] of [
          [true, 13] as const,
          [false, 13] as const,
          [true, 21] as const,
          [false, 21] as const,
        ]) {
          const q = randomMatrix(
            { rows: 24, cols, bits, symmetric, granularity, groupSize: cols === 63 ? 21 : 20 },
            bits,
          )
          const { emitted, expected, ops } = await runBoth(one, q, opset)
          expect(ops).toContain('DequantizeLinear')
          expect(ops).not.toContain('MatMulNBits')
          const what = `${ops.at(-1)} ${granularity} ${bits} bits opset ${opset}`
          expect(relativeError(emitted, expected), what).toBeLessThan(2e-6)
        }
      }
    }
  }
})

test('rows of an embedding are dequantized as they are looked up, bit for bit', async () => {
  for (const granularity of granularities) {
    for (const bits of [2, 3, 4, 5, 6, 7, 8]) {
      for (const symmetric of [true, false]) {
        for (const [cols, groupSize] of [[96, 32] as const, [60, 12] as const, [80, 8] as const]) {
          const q = randomMatrix({ rows: 50, cols, bits, symmetric, granularity, groupSize }, bits)
          const { emitted, expected, ops, bytes, measured } = await runBoth(cases.lookup(50, cols), q, 13)
          const what = `${bits} bits, ${granularity} ${groupSize}`
          expect(emitted, what).toEqual(expected)
          expect(ops, what).toContain('DequantizeLinear')
          expect(measured).toBe(bytes)
        }
      }
    }
  }
})

test('a tied embedding is looked up in the blocks its head multiplies with', async () => {
  for (const bits of [2, 4, 8]) {
    for (const symmetric of [true, false]) {
      const q = randomMatrix({ rows: 50, cols: 96, bits, symmetric, granularity: 'group', groupSize: 32 }, bits)
      const { emitted, expected, ops, bytes } = await runBoth(cases.tied(50, 96), q, 21)
      expect(ops).toContain('MatMulNBits')
      expect(ops).toContain('DequantizeLinear')
      expect(relativeError(emitted, expected), `${bits} bits`).toBeLessThan(1e-5)
      expect(bytes).toBeLessThan((50 * 96 * bits) / 8 + 50 * 3 * 5 + 2200)
    }
  }
  const q = randomMatrix({ rows: 50, cols: 96, bits: 3, symmetric: true, granularity: 'group', groupSize: 32 }, 3)
  const { emitted, expected, ops } = await runBoth(cases.tied(50, 96), q, 21)
  expect(ops).not.toContain('MatMulNBits')
  expect(relativeError(emitted, expected)).toBeLessThan(1e-6)
})

test('a table whose groups do not divide its columns stays whole', async () => {
  const q = randomMatrix({ rows: 50, cols: 60, bits: 4, symmetric: true, granularity: 'group', groupSize: 32 }, 4)
  const { emitted, expected } = await runBoth(cases.lookup(50, 60), q, 21)
  expect(emitted).toEqual(expected)
})

test('many zero points are packed as narrow as the codes', async () => {
  const shape = { rows: 128, cols: 64, symmetric: false, granularity: 'group', groupSize: 8 } as const
  for (const bits of [2, 3, 6]) {
    const q = randomMatrix({ ...shape, bits }, bits)
    const { emitted, expected, bytes } = await runBoth(cases.plain([128, 64], 'rows'), q, 13)
    expect(emitted).toEqual(expected)
    expect(bytes).toBeLessThan((128 * 64 * bits) / 8 + (1024 * (16 + bits)) / 8 + 2000)
  }
})
