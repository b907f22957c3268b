// Folders whose weights are packed, with pieces that do not fit: opening looks at headers only, so the faults here are those
// of headers. Values that make no sense are in test/engine/packed/hostile.test.ts.
import { encodeSafetensors, type TensorToWrite } from '../../../src-main/engine/checkpoint/safetensors.ts'
import { type GoldenCase, goldenCases, goldenTensors } from '../../engine/families/golden.ts'
import { files, type Make } from './make.ts'

const golden = goldenCases.find(({ name }) => name === 'plain') as GoldenCase
const layer = 'model.layers.0.mlp.up_proj'
const ints = (...shape: number[]): TensorToWrite => ({
  ...{ dtype: 'int32', shape },
  data: new Uint8Array(4 * shape.reduce((product, size) => product * size, 1)),
})
const ones = (...shape: number[]): TensorToWrite => ({
  ...{ dtype: 'float16', shape },
  data: new Uint8Array(2 * shape.reduce((product, size) => product * size, 1)).map((_, i) => (i % 2 === 0 ? 0 : 0x3c)),
})

/** 32 outputs of 64 inputs at 4 bits in place of one plain weight. */
const packed = (change: Record<string, TensorToWrite | null>, settings: object): Make => {
  const pieces = { qweight: ints(8, 32), qzeros: ints(1, 4), scales: ones(1, 32), weight: null, ...change }
  const tensors = new Map(goldenTensors(golden))
  for (const [end, tensor] of Object.entries(pieces))
    if (tensor === null) tensors.delete(`${layer}.${end}`)
    else tensors.set(`${layer}.${end}`, tensor)
  const config = { ...golden.config, quantization_config: settings }
  return files({ 'config.json': JSON.stringify(config), 'model.safetensors': encodeSafetensors(tensors) })
}

const gptq = { quant_method: 'gptq', bits: 4, group_size: 64 }
const plain = goldenTensors(golden).get(`${layer}.weight`) ?? null

export const packedCases: Record<string, Make> = {
  'QZ01-no-scales': packed({ scales: null }, gptq),
  'QZ02-zero-points-of-another-layer': packed({ qzeros: ints(1, 5) }, gptq),
  'QZ03-packed-and-plain': packed({ weight: plain }, gptq),
  'QZ04-unknown-method': packed({ scales: null, g_idx: null }, { quant_method: 'hqq' }),
  'QZ05-groups-as-text': packed({}, { ...gptq, group_size: '128' }),
}
