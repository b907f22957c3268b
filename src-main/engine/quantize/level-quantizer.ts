import { z } from 'zod'
import type { Option } from '../../../src-preload/contract/plan.ts'
import type { Layer } from '../checkpoint/network.ts'
import type { CodedMatrix } from './codings/define.ts'
import { encodeLevels, type Levels, levelShape } from './codings/levels.ts'
import type { QuantizeContext } from './define.ts'
import type { WeightRows } from './rows.ts'
import { type LevelParameters, quantizeToLevels } from './to-levels.ts'
import type { Granularity } from './types.ts'

/** Parameters that all quantizers to levels share. */
export const levelParameters = {
  search: z.enum(['none', 'mse']).default('mse').describe('mse: choose each scale with the least squared error'),
  feedback: z
    .boolean()
    .default(true)
    .describe('Pass the error of each column on to those that follow (GPTQ), where calibration data is known'),
}

export const groupSizeParameter = (size: number): z.ZodDefault<z.ZodInt> =>
  z.int().positive().default(size).describe('Weights of a row that share a scale')

/** The coded matrix of a layer. */
export async function toCoded(
  source: WeightRows,
  coding: { id: string; settings: CodedMatrix['settings']; levels: Levels },
  { granularity, groupSize, ...parameters }: LevelParameters & { granularity: Granularity; groupSize: number },
  context: QuantizeContext,
): Promise<CodedMatrix> {
  const { id, settings, levels } = coding
  const shape = levelShape(source, granularity, groupSize)
  const { matrix, scales } = await quantizeToLevels(source, levels, shape, parameters, context)
  return encodeLevels(id, settings, levels, matrix, scales)
}

/** An option and its twin that weighs errors by measured importance; none for layers that are kept. */
export const codedOptions = (layer: Layer, options: readonly Option[]): Option[] =>
  layer.compressible
    ? options.flatMap((option) => [
        option,
        { ...option, id: `${option.id}-w`, parameters: { ...option.parameters, weighted: true } },
      ])
    : []
