// What the packed formats write, read by the plain readers of test/engine/packed/plain.ts.
import { describe, expect, test } from 'vitest'
import { dequantize } from '../../../src-main/engine/quantize/dequantize.ts'
import type { QuantizedMatrix } from '../../../src-main/engine/quantize/types.ts'
import type { WeightForm } from '../../../src-main/engine/export/onnx/form.ts'
import type { Entry } from '../../../src-main/engine/export/safetensors/layout.ts'
import * as awq from '../../../src-main/engine/export/awq/layout.ts'
import * as packed from '../../../src-main/engine/export/compressed-tensors/layout.ts'
import * as gptq from '../../../src-main/engine/export/gptq/layout.ts'
import { awqWeights, gptqWeights, packedWeights } from '../packed/plain.ts'
import { asHalves, asInts } from './folders-of.ts'
import { randomMatrix } from './helpers.ts'

const COUNT = 1000
const pick = <T>(seed: number, list: readonly T[]): T => list[seed % list.length] as T

/** Pieces as a program finds them: by the end of their names. */
function piecesOf(
  entries: Entry[],
  pack: (entry: Entry) => Uint8Array,
): Map<string, { shape: readonly number[]; bytes: Uint8Array }> {
  return new Map(
    entries.map((entry) => {
      const bytes = pack(entry)
      expect(bytes.length, entry.name).toBe(entry.bytes)
      return [entry.name.slice('a.b.'.length), { shape: entry.shape, bytes }]
    }),
  )
}

const piece = (pieces: ReturnType<typeof piecesOf>, end: string): Uint8Array =>
  pieces.get(end)?.bytes ?? new Uint8Array(0)

function check(
  shape: (seed: number) => Parameters<typeof randomMatrix>[0],
  read: (q: QuantizedMatrix) => Float32Array,
) {
  for (let seed = 0; seed < COUNT; seed++) {
    const q = randomMatrix(shape(seed), seed + 1)
    expect(read(q), `seed ${seed}`).toEqual(dequantize(q).data)
  }
}

describe('1,000 random layers give the variant’s weights, bit for bit', () => {
  test('GPTQ', () => {
    check(
      (seed) => ({
        ...{ rows: 32, cols: 32 * (1 + (seed % 2)), bits: pick(seed, [2, 3, 4, 8]) },
        ...{
          symmetric: seed % 3 !== 0,
          granularity: pick(seed, ['group', 'channel'] as const),
          groupSize: pick(seed >> 3, [16, 32]),
        },
      }),
      (q) => {
        const forms = new Map<string, WeightForm>([['a.b.weight', q]])
        const pieces = piecesOf(gptq.entriesOf('a.b', q), (entry) => gptq.pack(q, entry, 'a.b', forms))
        expect([...pieces].map(([end, { shape }]) => [end, shape])).toEqual([
          ['qweight', [(q.cols * q.bits) / 32, q.rows]],
          ['qzeros', [q.groups, (q.rows * q.bits) / 32]],
          ['g_idx', [q.cols]],
          ['scales', [q.groups, q.rows]],
        ])
        const read = {
          qweight: asInts(piece(pieces, 'qweight')),
          qzeros: asInts(piece(pieces, 'qzeros')),
          scales: asHalves(piece(pieces, 'scales')),
          g_idx: asInts(piece(pieces, 'g_idx')),
        }
        return gptqWeights(read, q, gptq.isV2(forms) ? 0 : 1)
      },
    )
  })

  test('AWQ', () => {
    check(
      (seed) => ({
        ...{ rows: 8 * (1 + (seed % 4)), cols: 32 * (1 + (seed % 3)), bits: 4 },
        ...{ symmetric: seed % 3 === 0, granularity: 'group' as const, groupSize: 32 },
      }),
      (q) => {
        const pieces = piecesOf(awq.entriesOf('a.b', q), (entry) => awq.pack(q, entry, 'a.b'))
        const read = {
          qweight: asInts(piece(pieces, 'qweight')),
          qzeros: asInts(piece(pieces, 'qzeros')),
          scales: asHalves(piece(pieces, 'scales')),
        }
        return awqWeights(read, { ...q, size: q.groupSize })
      },
    )
  })

  test('compressed-tensors, 2 to 8 bits', () => {
    check(
      (seed) => ({
        ...{ rows: 3 + (seed % 30), cols: 24 * (1 + (seed % 4)), bits: 2 + (seed % 7) },
        ...{ symmetric: seed % 2 === 0, granularity: pick(seed >> 1, ['group', 'channel'] as const), groupSize: 24 },
      }),
      (q) => {
        const pieces = piecesOf(packed.entriesOf('a.b', q), (entry) => packed.pack(q, entry, 'a.b'))
        expect([...new BigInt64Array(piece(pieces, 'weight_shape').slice().buffer)]).toEqual([
          BigInt(q.rows),
          BigInt(q.cols),
        ])
        expect(pieces.has('weight_zero_point')).toBe(!q.symmetric)
        const zeros = q.symmetric ? null : asInts(piece(pieces, 'weight_zero_point'))
        const scales = asHalves(piece(pieces, 'weight_scale'))
        return packedWeights(asInts(piece(pieces, 'weight_packed')), zeros, scales, { ...q, size: q.groupSize })
      },
    )
  })
})
