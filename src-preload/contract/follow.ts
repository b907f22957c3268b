import { z } from 'zod'

/** Plans from the smallest file up, each one step from the one before: what a moving hand is answered from, without asking.
 *  Every step gives one group of layers another option, the one that saves most predicted loss per byte of all steps left
 *  (the linear relaxation of the budgeted choice: Sinha & Zoltners 1979). */
export const walkSchema = z.object({
  removed: z.array(z.number().int()), // blocks left out in all of these plans
  baseBytes: z.number(), // of the file without the layers
  baseLoss: z.number(), // of the removed blocks, before calibration
  layers: z.array(z.string()),
  start: z.array(z.number().int()), // [layers] index in `ids`
  groups: z.array(z.array(z.number().int())), // layers that change together; mostly alone
  startLosses: z.array(z.number()), // [groups]
  startBytes: z.number(), // sums over the layers at the start
  startLoss: z.number(),
  group: z.array(z.number().int()), // [steps]
  option: z.array(z.number().int()), // [steps] index in `ids`
  bytes: z.array(z.number()), // [steps] what the step adds
  loss: z.array(z.number()), // [steps] what it adds: negative, before calibration
})
export type Walk = z.infer<typeof walkSchema>

export const followSchema = z.object({
  ids: z.array(z.string()), // of options
  walks: z.array(walkSchema), // one for each set of blocks that may be left out; never empty
  scale: z.array(z.object({ bits: z.number(), bytes: z.number() })), // files of one width for all layers, rising
  baseBytes: z.number(),
  /** Summed losses to predicted ones: points to interpolate between, on logarithmic scales. */
  predict: z.array(z.object({ sum: z.number(), loss: z.number(), low: z.number(), high: z.number() })),
  source: z.string(),
  /** Bytes of memory beside the weights while a language model runs; null where they are not known. */
  running: z
    .object({ cachePerToken: z.number(), activations: z.number(), attentionPerToken: z.number() })
    .nullable()
    .optional(),
})
export type Follow = z.infer<typeof followSchema>
