// Packed weights: a safetensors file whose metadata holds the quantization settings, so that one mutant changes both.
import { parseJsonObject } from '../../../src-main/engine/checkpoint/json.ts'
import type { TensorInfo, TensorSource } from '../../../src-main/engine/checkpoint/network.ts'
import { bytesRange } from '../../../src-main/engine/checkpoint/onnx/wire.ts'
import { openPackedWeights } from '../../../src-main/engine/checkpoint/packed/open.ts'
import { encodeSafetensors, type TensorToWrite } from '../../../src-main/engine/checkpoint/safetensors.ts'
import { readSafetensorsHeader } from '../../../src-main/engine/checkpoint/safetensors-header.ts'
import { Settings } from '../../../src-main/engine/graph/families/config.ts'
import { bitsOf, type DataType } from '../../../src-main/engine/graph/ir.ts'
import type { FuzzTarget } from '../target.ts'
import { safetensors } from './safetensors.ts'

const tensor = (dtype: DataType, shape: number[], fill: (index: number) => number = () => 0x11): TensorToWrite => ({
  ...{ dtype, shape },
  data: Uint8Array.from({ length: (shape.reduce((a, b) => a * b, 1) * bitsOf[dtype]) / 8 }, (_, i) => fill(i)),
})
const longs = (...values: number[]): TensorToWrite => ({
  ...{ dtype: 'int64', shape: [values.length] },
  data: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
})
const text = (value: object): TensorToWrite => {
  const data = new TextEncoder().encode(JSON.stringify(value))
  return { dtype: 'uint8', shape: [data.length], data }
}
const seed = (config: object, tensors: Record<string, TensorToWrite>): Uint8Array =>
  encodeSafetensors(Object.fromEntries(Object.entries(tensors).map(([end, each]) => [`m.${end}`, each])), {
    config: JSON.stringify(config),
  })
const zeros = () => 0
const group = (weights: object) => ({
  quant_method: 'compressed-tensors',
  config_groups: { a: { targets: ['m'], weights } },
})

const seeds = (): Uint8Array[] => [
  seed(
    { quant_method: 'gptq', bits: 4, group_size: 32, desc_act: true },
    {
      qweight: tensor('int32', [8, 8]),
      qzeros: tensor('int32', [2, 1]),
      scales: tensor('float16', [2, 8]),
      g_idx: tensor('int32', [64], zeros),
    },
  ),
  seed(
    { quant_method: 'gptq', checkpoint_format: 'gptq_v2', bits: 3, group_size: -1 },
    {
      qweight: tensor('int32', [3, 32]),
      qzeros: tensor('int32', [1, 3]),
      scales: tensor('float16', [1, 32]),
    },
  ),
  seed(
    { quant_method: 'awq', bits: 4, group_size: 32, version: 'gemm' },
    {
      qweight: tensor('int32', [64, 2]),
      qzeros: tensor('int32', [2, 2]),
      scales: tensor('float16', [2, 16]),
    },
  ),
  seed(group({ num_bits: 5, group_size: 16, strategy: 'group' }), {
    weight_packed: tensor('int32', [4, 5]),
    weight_scale: tensor('bfloat16', [4, 2]),
    weight_zero_point: tensor('int32', [1, 2]),
    weight_shape: longs(4, 32),
    weight_g_idx: tensor('int32', [32], zeros),
  }),
  seed(group({ num_bits: 8, type: 'float', strategy: 'block', block_structure: '2x4' }), {
    weight: tensor('float8e4m3fn', [4, 8]),
    weight_scale: tensor('float32', [2, 2]),
  }),
  seed(group({ num_bits: 4, type: 'float' }), {
    weight_packed: tensor('uint8', [2, 16]),
    weight_scale: tensor('float8e4m3fn', [2, 2]),
    weight_global_scale: tensor('float32', [1]),
  }),
  seed(
    { ...group({ num_bits: 8 }), sparsity_config: { format: 'sparse-24-bitmask' } },
    {
      compressed: tensor('float16', [2, 4]),
      bitmask: tensor('uint8', [2, 1], () => 0x33),
      shape: longs(2, 8),
    },
  ),
  seed(
    { quant_method: 'bitsandbytes', load_in_4bit: true },
    {
      weight: tensor('uint8', [16, 1]),
      'weight.absmax': tensor('uint8', [2], zeros),
      'weight.quant_map': tensor('float32', [16]),
      'weight.nested_absmax': tensor('float32', [1]),
      'weight.nested_quant_map': tensor('float32', [256]),
      'weight.quant_state.bitsandbytes__nf4': text({
        shape: [4, 8],
        blocksize: 16,
        nested_blocksize: 256,
        nested_offset: 0.1,
      }),
    },
  ),
  seed(
    { quant_method: 'fp8', weight_block_size: [128, 128] },
    {
      weight: tensor('float8e4m3fn', [2, 4]),
      weight_scale_inv: tensor('float32', [1, 1]),
    },
  ),
]

export const packed: FuzzTarget = {
  name: 'packed',
  seeds,
  run(bytes) {
    const file = bytesRange(bytes, 'fuzz.safetensors')
    const { entries, metadata } = readSafetensorsHeader(file)
    const config = parseJsonObject(new TextEncoder().encode(metadata.get('config') ?? ''), 'config.json')
    const places = new Map(entries.map((entry) => [entry.name, entry]))
    const tensors = new Map(
      entries.map(({ name, dtype, shape, begin, end }): [string, TensorInfo] => [
        name,
        { name, dtype, shape, bytes: end - begin, file: 'fuzz.safetensors' },
      ]),
    )
    const source: TensorSource = {
      tensors,
      read(name, range) {
        const place = places.get(name)
        if (!place) throw new Error(`read of ${name}`)
        return bytes.slice(place.begin + (range?.begin ?? 0), range ? place.begin + range.end : place.end)
      },
      close: () => {},
    }
    const opened = openPackedWeights(source, new Settings(config, 'config.json'))
    for (const { name } of opened.source.tensors.values()) opened.source.read(name)
    return opened.packed ?? opened.reason ?? 'plain'
  },
  dictionary: [
    ...(safetensors.dictionary ?? []),
    ...[
      'qweight',
      'qzeros',
      'scales',
      'g_idx',
      'weight_packed',
      'weight_scale',
      'weight_scale_inv',
      'compressed',
      'bitmask',
    ],
    ...[
      'gptq',
      'gptq_v2',
      'awq',
      'compressed-tensors',
      'fp8',
      'bitsandbytes',
      'modelopt',
      'group_size',
      'block_structure',
    ],
  ],
  ...(safetensors.mend && { mend: safetensors.mend }),
}
