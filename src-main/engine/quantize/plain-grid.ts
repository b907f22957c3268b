import { z } from 'zod'
import type { Option } from '../../../src-preload/contract/plan.ts'

/** What a plain `rtn` option says of its grid; the parameters of its twins hold the same. */
export const gridParameters = {
  bits: z.int().min(2).max(8).default(4).describe('Bits per weight'),
  granularity: z
    .enum(['channel', 'group'])
    .default('group')
    .describe('What shares one scale: an output channel, or a run of weights within one'),
  groupSize: z.int().positive().default(64).describe('Weights per group (granularity group)'),
}

const plainSchema = z.object({
  granularity: z.enum(['channel', 'group']),
  groupSize: z.int().positive().optional(),
  symmetric: z.boolean().default(false),
})

/** The grid of a plain option of `rtn`; null for other methods and for one scale a tensor. */
export function plainGridOf(option: Option): z.output<typeof plainSchema> | null {
  const parsed = option.method === 'rtn' ? plainSchema.safeParse(option.parameters) : null
  return parsed?.success === true ? parsed.data : null
}

/** The option that stores what the plain one does, made by another method: 'rtn-4-g64' becomes 'hqq-4-g64'. */
export const twinOf = (plain: Option, method: string, parameters: Option['parameters']): Option => ({
  id: plain.id.replace(/^rtn/, method),
  method,
  bits: plain.bits,
  parameters: { ...plain.parameters, ...parameters },
  form: plain.id,
})
