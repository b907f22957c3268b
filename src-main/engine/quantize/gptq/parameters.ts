import { z } from 'zod'
import type { Option } from '../../../../src-preload/contract/plan.ts'

/** The grid of a plain option, and how its codes are chosen. */
export const gridWithFeedback = {
  bits: z.int().min(2).max(8).default(4).describe('Bits per weight'),
  granularity: z
    .enum(['channel', 'group'])
    .default('group')
    .describe('What shares one scale: an output channel, or a run of weights within one'),
  groupSize: z.int().positive().default(64).describe('Weights per group (granularity group)'),
  symmetric: z.boolean().default(true).describe('Zero point in the middle, not stored'),
  search: z.enum(['none', 'mse']).default('mse').describe('mse: choose each range with the least squared error'),
  damping: z.number().min(0).max(1).default(0.01).describe('Share of the mean input energy added to every input'),
  ridge: z
    .boolean()
    .default(true)
    .describe(
      'Where calibration rows are few, add inputs / rows of the mean input energy, at most all of it, before anything is chosen',
    ),
  actOrder: z
    .boolean()
    .default(true)
    .describe('Round the inputs with the most energy first (groups are chosen before)'),
  staticGroups: z.boolean().default(false).describe('Choose all ranges before the loop, on the weights as they were'),
  sweeps: z.int().min(0).max(20).default(2).describe('Passes that refine codes and scales after error feedback'),
}

/** The option of `method` in the form of a plain grid; null for other forms and for one scale a tensor. */
export function gridTwin(method: string, plain: Option, parameters: Record<string, unknown>): Option | null {
  const { granularity } = plain.parameters
  if (plain.method !== 'rtn' || (granularity !== 'channel' && granularity !== 'group')) return null
  const grid = new Set(['bits', 'granularity', 'groupSize', 'symmetric', 'search'])
  const own = Object.fromEntries(Object.entries(parameters).filter(([name]) => !grid.has(name))) as Option['parameters']
  const { weighted: _, ...form } = plain.parameters
  return {
    id: plain.id.replace(/^rtn/, method),
    method,
    bits: plain.bits,
    parameters: { ...form, ...own },
    form: plain.id,
  }
}
