import { describe, expect, test } from 'vitest'
import type { TensorToWrite } from '../../../src-main/engine/checkpoint/safetensors.ts'
import { toFloat32 } from '../../../src-main/engine/checkpoint/convert.ts'
import { random } from '../../../src-main/engine/data/random.ts'
import { awqPieces, gptqPieces, packedPieces, weightsOf } from './plain.ts'
import { bytes, draw, halves, ints, longs, opened, pick, readBoth, singles } from './tensors.ts'

const COUNT = 1000

/** Opens all layers at once and compares every one, whole and in parts. */
function check(
  make: (seed: number) => { tensors: Record<string, TensorToWrite>; weights: Float32Array; stored?: string },
  settings: object,
  count = COUNT,
) {
  const made = Array.from({ length: count }, (_, seed) => make(seed))
  const named = made.flatMap(({ tensors }, i) =>
    Object.entries(tensors).map(([end, tensor]) => [`m.${i}.${end}`, tensor] as const),
  )
  const { source, reason } = opened(Object.fromEntries(named), settings)
  expect(reason).toBeNull()
  expect([...source.tensors.keys()].sort()).toEqual(made.map((_, i) => `m.${i}.weight`).sort())
  made.forEach(({ weights, stored, tensors }, seed) => {
    const [whole, parts] = readBoth(source, `m.${seed}.weight`)
    expect(whole, `seed ${seed}`).toEqual(weights)
    expect(parts, `seed ${seed}`).toEqual(weights)
    const info = source.tensors.get(`m.${seed}.weight`)
    expect(info?.stored?.bytes).toBe(Object.values(tensors).reduce((sum, { data }) => sum + data.length, 0))
    if (stored !== undefined) expect(info?.stored?.type).toBe(stored)
  })
  source.close()
}

const round32 = (seed: number, most: number) => 32 * (1 + (seed % most))

describe('GPTQ', () => {
  for (const [form, offset] of [
    ['gptq', 1],
    ['gptq_v2', 0],
  ] as const) {
    test(`${form}: 2, 3, 4 and 8 bits, with and without act order`, () => {
      check(
        (seed) => {
          const bits = pick(seed, [2, 3, 4, 8])
          const size = pick(seed >> 2, [16, 32])
          const p = draw(seed, {
            rows: 32,
            cols: round32(seed >> 3, 2),
            bits,
            size,
            ordered: seed % 3 === 0,
          })
          const { qweight, qzeros, scales, g_idx } = gptqPieces(p, offset)
          const tensors: Record<string, TensorToWrite> = {
            qweight: ints([(p.cols * bits) / 32, p.rows], qweight),
            qzeros: ints([p.groups, (p.rows * bits) / 32], qzeros),
            scales: halves([p.groups, p.rows], scales),
          }
          if (seed % 3 === 0 || seed % 2 === 0) tensors.g_idx = ints([p.cols], g_idx)
          return {
            tensors,
            weights: weightsOf(p),
            stored: `GPTQ ${bits}-bit ${p.groups === 1 ? 'channel' : `g${size}`}`,
          }
        },
        { quant_method: 'gptq', bits: 4, group_size: -1, checkpoint_format: form },
      )
    })
  }

  test('a last group that is shorter, where the settings say so', () => {
    check(
      (seed) => {
        const p = draw(seed, { rows: 32, cols: 160, bits: 4, size: 64 })
        const { qweight, qzeros, scales } = gptqPieces(p, 1)
        const tensors = {
          qweight: ints([20, 32], qweight),
          qzeros: ints([3, 4], qzeros),
          scales: halves([3, 32], scales),
        }
        return { tensors, weights: weightsOf(p), stored: 'GPTQ 4-bit g64' }
      },
      { quant_method: 'gptq', bits: 4, group_size: 64 },
      20,
    )
  })
})

test('AWQ: eight outputs a word, interleaved', () => {
  check(
    (seed) => {
      const size = pick(seed, [32, 48])
      const p = draw(seed, { rows: 8 * (1 + (seed % 5)), cols: size * (1 + (seed % 3)), bits: 4, size })
      const { qweight, qzeros, scales } = awqPieces(p)
      const tensors = {
        qweight: ints([p.cols, p.rows / 8], qweight),
        qzeros: ints([p.groups, p.rows / 8], qzeros),
        scales: halves([p.groups, p.rows], scales),
      }
      return { tensors, weights: weightsOf(p) }
    },
    { quant_method: 'awq', bits: 4, group_size: 32, version: 'gemm', zero_point: true },
  )
})

describe('compressed-tensors', () => {
  const group = (bits: number, size: number | null, symmetric = true) => ({
    targets: ['Linear'],
    weights: { num_bits: bits, type: 'int', symmetric, strategy: size ? 'group' : 'channel', group_size: size },
  })
  for (const form of ['dense', 'aligned'] as const)
    test(`pack-quantized, 2 to 8 bits, ${form} words`, () => {
      for (const bits of [2, 3, 4, 5, 6, 7, 8])
        check(
          (seed) => {
            // Wide enough that dense and aligned rows of one width differ in length.
            const size = pick(seed, [32, 48])
            const p = draw(seed * 8 + bits, {
              rows: 3 + (seed % 12),
              cols: size * 3,
              bits,
              size,
              ordered: seed % 5 === 0,
            })
            const symmetric = seed % 2 === 0
            if (symmetric) p.zeros.fill(2 ** (bits - 1))
            const { packed, zeros, width, height } = packedPieces(p, form)
            const tensors: Record<string, TensorToWrite> = {
              weight_packed: ints([p.rows, width], packed),
              weight_scale: halves([p.rows, p.groups], p.scales),
              weight_shape: longs(p.rows, p.cols),
            }
            if (!symmetric) tensors.weight_zero_point = ints([height, p.groups], zeros)
            if (seed % 5 === 0) tensors.weight_g_idx = ints([p.cols], Int32Array.from(p.groupOf))
            return { tensors, weights: weightsOf(p) }
          },
          {
            quant_method: 'compressed-tensors',
            format: 'pack-quantized',
            config_groups: { a: group(bits, 32), b: group(bits, 48) },
          },
          Math.ceil(COUNT / 7),
        )
    })

  test('mixed widths: the scheme is the one that fits', () => {
    check(
      (seed) => {
        const bits = pick(seed, [4, 8])
        const p = draw(seed, { rows: 24, cols: 128, bits, size: bits === 4 ? 32 : 128 })
        p.zeros.fill(2 ** (bits - 1))
        const { packed, width } = packedPieces(p, 'dense')
        const tensors = {
          weight_packed: ints([p.rows, width], packed),
          weight_scale: halves([p.rows, p.groups], p.scales),
          weight_shape: longs(p.rows, p.cols),
        }
        const stored = bits === 4 ? 'compressed-tensors 4-bit g32' : 'compressed-tensors 8-bit channel'
        return { tensors, weights: weightsOf(p), stored }
      },
      {
        quant_method: 'compressed-tensors',
        format: 'pack-quantized',
        config_groups: { a: group(4, 32), b: group(8, null) },
      },
      40,
    )
  })

  test('int-quantized and float-quantized: tensor, channel, group and block scales', () => {
    for (const dtype of ['int8', 'float8e4m3fn'] as const)
      check(
        (seed) => {
          const source = random(seed)
          const [rows, cols] = [3 + (seed % 9), 16 * (1 + (seed % 4))]
          const codes = Uint8Array.from({ length: rows * cols }, () => Math.floor(source.uniform() * 256)).map(
            (code) => (dtype === 'float8e4m3fn' && (code & 0x7f) === 0x7f ? 0x20 : code),
          )
          const kind = pick(seed, ['tensor', 'channel', 'group', 'block'])
          const [high, wide] =
            kind === 'tensor' ? [rows, cols] : kind === 'channel' ? [1, cols] : kind === 'group' ? [1, 8] : [2, 8]
          const across = cols / wide
          const scales = Float32Array.from({ length: Math.ceil(rows / high) * across }, () => source.uniform())
          const zero = dtype === 'int8' && kind === 'channel'
          const zeros = Int8Array.from(scales, () => Math.floor(source.uniform() * 9) - 4)
          const values = toFloat32(codes, dtype)
          const weights = values.map((value, i) => {
            const grid = Math.floor(Math.floor(i / cols) / high) * across + Math.floor((i % cols) / wide)
            return (value - (zero ? (zeros[grid] ?? 0) : 0)) * (scales[grid] ?? 0)
          })
          const shape = kind === 'tensor' ? [1] : [scales.length / across, across]
          const tensors: Record<string, TensorToWrite> = {
            weight: bytes(dtype, [rows, cols], codes),
            weight_scale: singles(shape, scales),
          }
          if (zero) tensors.weight_zero_point = bytes('int8', shape, new Uint8Array(zeros.buffer))
          return { tensors, weights }
        },
        {
          quant_method: 'compressed-tensors',
          format: dtype === 'int8' ? 'int-quantized' : 'float-quantized',
          config_groups: {
            a: {
              targets: ['Linear'],
              weights: { num_bits: 8, type: 'float', strategy: 'block', block_structure: [2, 8] },
            },
          },
        },
      )
  })

  test('NVFP4 and MXFP4', () => {
    const e2m1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    for (const kind of ['nvfp4', 'mxfp4'] as const)
      check(
        (seed) => {
          const source = random(seed)
          const size = kind === 'nvfp4' ? 16 : 32
          const [rows, cols] = [1 + (seed % 7), size * (1 + (seed % 3))]
          const codes = Array.from({ length: rows * cols }, () => Math.floor(source.uniform() * 16))
          const groups = cols / size
          const stored = Uint8Array.from(
            { length: rows * groups },
            () => 0x30 + Math.floor(source.uniform() * 0x20) + (kind === 'mxfp4' ? 60 : 0),
          )
          const global = Math.fround(100 + 900 * source.uniform())
          const scales =
            kind === 'nvfp4'
              ? toFloat32(stored, 'float8e4m3fn').map((value) => value / global)
              : Float32Array.from(stored, (exponent) => 2 ** (exponent - 127))
          const weights = Float32Array.from(codes, (code, i) => {
            const scale = scales[Math.floor(i / cols) * groups + Math.floor((i % cols) / size)] ?? 0
            return (code >= 8 ? -1 : 1) * (e2m1[code % 8] ?? 0) * scale
          })
          const packed = Array.from(
            { length: codes.length / 2 },
            (_, i) => (codes[2 * i] ?? 0) + 16 * (codes[2 * i + 1] ?? 0),
          )
          const tensors: Record<string, TensorToWrite> = {
            weight_packed: bytes('uint8', [rows, cols / 2], packed),
            weight_scale: bytes(kind === 'nvfp4' ? 'float8e4m3fn' : 'uint8', [rows, groups], stored),
          }
          if (kind === 'nvfp4') tensors.weight_global_scale = singles([1], [global])
          return { tensors, weights }
        },
        { quant_method: 'compressed-tensors', format: `${kind}-pack-quantized` },
      )
  })

  test('2:4 bitmask', () => {
    check(
      (seed) => {
        const source = random(seed)
        const [rows, cols] = [1 + (seed % 6), 4 * (1 + (seed % 9))]
        const weights = new Float32Array(rows * cols)
        const mask = new Uint8Array(rows * Math.ceil(cols / 8))
        const kept: number[] = []
        for (let r = 0; r < rows; r++)
          for (let c = 0; c < cols; c += 4) {
            const first = Math.floor(source.uniform() * 3)
            const second = first + 1 + Math.floor(source.uniform() * (3 - first))
            for (const at of [c + first, c + second]) {
              weights[r * cols + at] = Math.fround(source.normal())
              kept.push(weights[r * cols + at] ?? 0)
              const byte = r * Math.ceil(cols / 8) + Math.floor(at / 8)
              mask[byte] = (mask[byte] ?? 0) + 2 ** (at % 8)
            }
          }
        const tensors = {
          compressed: singles([rows, cols / 2], kept),
          bitmask: bytes('uint8', [rows, Math.ceil(cols / 8)], mask),
          shape: longs(rows, cols),
        }
        return { tensors, weights }
      },
      { quant_method: 'compressed-tensors', format: 'dense', sparsity_config: { format: 'sparse-24-bitmask' } },
    )
  })
})

test('fp8 with blocks of 128 x 128, the last ones cut', () => {
  check(
    (seed) => {
      const source = random(seed)
      const [rows, cols] = [100 + 10 * (seed % 6), 120 + 30 * (seed % 4)]
      const codes = Uint8Array.from({ length: rows * cols }, (_, i) => (i * 37 + seed) & 0x77)
      const across = Math.ceil(cols / 128)
      const scales = Float32Array.from({ length: Math.ceil(rows / 128) * across }, () => source.uniform())
      const weights = toFloat32(codes, 'float8e4m3fn').map(
        (value, i) =>
          value * (scales[Math.floor(Math.floor(i / cols) / 128) * across + Math.floor((i % cols) / 128)] ?? 0),
      )
      const tensors = {
        weight: bytes('float8e4m3fn', [rows, cols], codes),
        weight_scale_inv: singles([scales.length / across, across], scales),
      }
      return { tensors, weights }
    },
    { quant_method: 'fp8', weight_block_size: [128, 128] },
    40,
  )
})

test('bitsandbytes: nf4 plain and nested, int8', () => {
  const map = Float32Array.from({ length: 16 }, (_, i) => Math.tanh((i - 7.5) / 6))
  const state = (fields: object) => {
    const text = new TextEncoder().encode(JSON.stringify(fields))
    return bytes('uint8', [text.length], text)
  }
  check(
    (seed) => {
      const source = random(seed)
      const kind = pick(seed, ['plain', 'nested', 'int8'])
      const [rows, cols] = [2 + (seed % 5), 24 * (1 + (seed % 3))]
      const count = rows * cols
      if (kind === 'int8') {
        const codes = Int8Array.from({ length: count }, () => Math.floor(source.uniform() * 255) - 127)
        const scb = Float32Array.from({ length: rows }, () => source.uniform())
        const weights = Float32Array.from(
          codes,
          (code, i) => code * Math.fround((scb[Math.floor(i / cols)] ?? 0) / 127),
        )
        return {
          tensors: { weight: bytes('int8', [rows, cols], new Uint8Array(codes.buffer)), SCB: singles([rows], scb) },
          weights,
        }
      }
      const codes = Array.from({ length: count }, () => Math.floor(source.uniform() * 16))
      const blocks = Math.ceil(count / 16)
      const absmax = Float32Array.from({ length: blocks }, () => source.uniform())
      const tensors: Record<string, TensorToWrite> = {
        weight: bytes(
          'uint8',
          [count / 2, 1],
          Array.from({ length: count / 2 }, (_, i) => 16 * (codes[2 * i] ?? 0) + (codes[2 * i + 1] ?? 0)),
        ),
        'weight.quant_map': singles([16], map),
      }
      let scales = absmax
      if (kind === 'plain') {
        tensors['weight.absmax'] = singles([blocks], absmax)
        tensors['weight.quant_state.bitsandbytes__nf4'] = state({
          shape: [rows, cols],
          blocksize: 16,
          dtype: 'float16',
          quant_type: 'nf4',
        })
      } else {
        const inner = Float32Array.from({ length: 256 }, (_, i) => i / 255 - 0.5)
        const outer = Float32Array.from({ length: Math.ceil(blocks / 4) }, () => source.uniform())
        const stored = Uint8Array.from({ length: blocks }, () => Math.floor(source.uniform() * 256))
        const offset = Math.fround(0.25)
        scales = Float32Array.from(
          stored,
          (code, i) => Math.fround((inner[code] ?? 0) * (outer[Math.floor(i / 4)] ?? 0)) + offset,
        )
        tensors['weight.absmax'] = bytes('uint8', [blocks], stored)
        tensors['weight.nested_absmax'] = singles([outer.length], outer)
        tensors['weight.nested_quant_map'] = singles([256], inner)
        tensors['weight.quant_state.bitsandbytes__nf4'] = state({
          ...{ shape: [rows, cols], blocksize: 16, dtype: 'float16', quant_type: 'nf4' },
          ...{ nested_blocksize: 4, nested_dtype: 'float32', nested_offset: 0.25 },
        })
      }
      const weights = Float32Array.from(codes, (code, i) => (map[code] ?? 0) * (scales[Math.floor(i / 16)] ?? 0))
      return { tensors, weights }
    },
    { quant_method: 'bitsandbytes', load_in_4bit: true },
  )
})
