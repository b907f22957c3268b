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
            const { emitted, expected, bytes, measured } = await runBoth(one, q, bits === 5 ? 11 : 13)
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

test('a product of 3 bits is unpacked in the graph', async () => {
  const q = randomMatrix({ rows: 24, cols: 96, bits: 3, symmetric: false, granularity: 'group', groupSize: 32 }, 1)
  const { emitted, expected, ops } = await runBoth(cases.matMul(24, 96), q, 13)
  expect(ops).not.toContain('MatMulNBits')
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

test('the DequantizeLinear style gives the same weight', async () => {
  for (const [name, one, rows, cols] of weights) {
    for (const granularity of granularities) {
      for (const [bits, opset] of [
        [8, 13],
        [8, 21],
        [4, 21],
      ] as const) {
        for (const symmetric of [true, false]) {
          const q = randomMatrix({ rows, cols, bits, symmetric, granularity, groupSize: 16 }, bits)
          const { emitted, expected, ops } = await runBoth(one, q, opset, 'qdq')
          const held = granularity !== 'group' || opset === 21 || cols <= 16
          expect(ops.includes('DequantizeLinear'), `${name} ${granularity} ${bits} bits opset ${opset}`).toBe(held)
          expect(relativeError(emitted, expected), `${name} ${granularity} ${bits} bits`).toBeLessThan(2e-6)
        }
      }
    }
  }
})
