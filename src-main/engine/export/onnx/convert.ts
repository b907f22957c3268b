import { z } from 'zod'
import type { Option } from '../../../../src-preload/contract/plan.ts'
import type { Network } from '../../checkpoint/network.ts'
import { optionsFor } from '../../quantize/options.ts'

const types = ['float32', 'int8', 'int6', 'int5', 'int4', 'int3', 'int2'] as const

export const onnxParameters = z.object({
  type: z
    .enum(types)
    .default('float32')
    .describe(
      'What the weight matrices are written in; float32 leaves them as they are. Round to nearest, range searched.',
    ),
})

/** One width for every layer: what a uniform plan of that width takes. */
export function convertOptions(
  network: Network,
  { type }: z.output<typeof onnxParameters>,
): ReadonlyMap<string, Option> {
  const options = new Map<string, Option>()
  if (type === 'float32') return options
  const bits = Number(type.slice('int'.length))
  for (const layer of network.layers) {
    const option = optionsFor(layer).find((each) => each.bits === bits)
    if (option) options.set(layer.name, option)
  }
  return options
}
