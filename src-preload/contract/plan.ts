import { z } from 'zod'
import { levers } from './results.ts'

/** One thing that can be done to a layer. `keep` leaves the weight as it is in the checkpoint (float32 in the export). */
export const optionSchema = z.object({
  id: z.string(), // 'rtn-4-g32', 'keep': unique among a layer's options, stable across versions
  method: z.string(), // quantizer id, or 'keep'
  bits: z.number(), // bits per weight as the format counts them (code bits; of GGUF types, scales included); of keep, as the file holds it; of sparse and low-rank ones, what all parts take
  parameters: z.record(z.string(), z.json()),
  /** Id of the plain option (rtn, ggml) in whose form the result is stored, where this one only chooses its codes better:
   *  same bytes, at most its loss. */
  form: z.string().optional(),
})
export type Option = z.infer<typeof optionSchema>

/** Rounds with measured importance of each input channel (calibration data) in mind. */
export const isWeighted = ({ parameters }: Pick<Option, 'parameters'>): boolean => parameters.weighted === true

/** Passes errors on from column to column where calibration data is there (quantizers that need weights only otherwise). */
export const feedsBack = ({ parameters }: Pick<Option, 'parameters'>): boolean => parameters.feedback === true

/** What an option takes away beside bits, from its parameters: the share of weights that are zero (of sparsifiers), and the
 *  rank as a share of the full one (of factorizers). */
export const sparsityOf = ({ parameters }: Pick<Option, 'parameters'>): number =>
  typeof parameters.sparsity === 'number' ? parameters.sparsity : 0
export const rankShareOf = ({ parameters }: Pick<Option, 'parameters'>): number =>
  typeof parameters.rankShare === 'number' ? parameters.rankShare : 1

/** A method with its parameters, checked with the method's own schema. */
export const methodUseSchema = z.object({
  method: z.string().max(100),
  parameters: z.record(z.string().max(200), z.json()).default({}),
})
export type MethodUse = z.infer<typeof methodUseSchema>

/** How weights are rounded, and what is done to the network before. */
export const methodsSchema = z.object({
  quantizer: methodUseSchema.nullable(), // null: to nearest, weighted where importance is known
  prepare: z.array(methodUseSchema).max(8), // families 'rewrite', 'prepare' and 'activate', in order
  /** Beside bits: sparsifiers and factorizers whose options are offered too, and 'remove-blocks' for depth. Absent: bits
   *  alone. In a recipe absent always: its layers' options and `prepare` say what was chosen. */
  levers: z.array(methodUseSchema).max(8).optional(),
  samples: z.number().int().positive().nullable(), // calibration samples; null: as many as the kind of data needs
})
export type Methods = z.infer<typeof methodsSchema>
export const plainMethods: Methods = { quantizer: null, prepare: [], samples: null }

/** A chosen option per layer. Same source + recipe + seed = same bytes. */
export const recipeSchema = z.object({
  lathe: z.literal(1), // version of this document
  checkpoint: z.object({ name: z.string(), fingerprint: z.string() }),
  seed: z.number().int(),
  format: z.string().optional(), // export format it was planned for; says nothing about the bytes of the layers
  data: z.string().optional(), // data set whose importance the weighted options use; absent without such options
  methods: methodsSchema.optional(), // absent: plain ones
  layers: z.array(z.object({ name: z.string(), option: optionSchema })),
})
export type Recipe = z.infer<typeof recipeSchema>

export const budgetSchema = z.union([
  z.object({ bits: z.number().min(1).max(32) }), // average bits: as many bytes as that width for all layers takes (interpolated)
  z.object({ bytes: z.number().positive() }), // size of the exported file
  z.object({ loss: z.number().positive() }), // the smallest file whose predicted KL divergence is at most this
  z.object({ lose: z.number().positive().max(1) }), // ... that loses at most this share: of accuracy, or of perplexity (0.05: x 1.05)
  z.object({ perSecond: z.number().positive() }), // ... at least so many samples (images, or tokens) a second on this machine
  z.object({ memory: z.number().positive(), context: z.number().int().positive() }), // weights, cache of that context and activations fit these bytes
])
export type Budget = z.infer<typeof budgetSchema>

/** Weights up to which sensitivity runs every option unless told otherwise. What is only told from other options is off by a
 *  factor of 1.2 to 1.6, and plans pick what is told too low: on the vision sample at 3 bits that doubled the measured loss. */
export const everyOptionBelow = 1_000_000

/** Whether any layer is offered codes that this quantizer chose, in a form of its own or in a plain option's. Without any, plans
 *  go on rounding to nearest. */
export const isOffered = (
  quantizer: string,
  layers: readonly { options: readonly Pick<Option, 'method' | 'form'>[] }[],
): boolean =>
  layers.some(({ options }) => options.some(({ method, form }) => method === quantizer || form !== undefined))

/** Plans along the curve that a search by measuring can stop at: 2 ^ 6, so that six or seven are measured. */
export const floorPoints = 64

/** Most of them that it measures: halves, and a few beyond where the prediction led astray. */
export const floorMeasured = (points = floorPoints): number => Math.ceil(Math.log2(points + 1)) + 3

/** What a plan must keep beside its budget. Layers are named as in the checkpoint. */
export const constraintsSchema = z.object({
  alike: z.array(z.array(z.string()).min(2)).default([]), // each group takes one option
  floors: z.record(z.string(), z.number()).default({}), // layer -> bits it has at least
  ceilings: z.record(z.string(), z.number()).default({}), // layer -> bits it has at most
  keepBlocks: z.array(z.number().int()).default([]), // blocks that are not removed
  only: z.array(z.enum(levers)).nullable().default(null), // levers that may be drawn on; null: all that are offered
  maxLoss: z.number().positive().nullable().default(null), // predicted KL divergence
  maxSeconds: z.number().positive().nullable().default(null), // predicted seconds a sample
})
export type Constraints = z.output<typeof constraintsSchema>
export const noConstraints: Constraints = constraintsSchema.parse({})

export const layerPlanSchema = z.object({
  name: z.string(),
  option: z.string(),
  bits: z.number(),
  bytes: z.number(), // in the exported file
  loss: z.number(), // predicted share of the loss, nats of KL divergence per prediction
  locked: z.boolean(),
})

export const planSchema = z.object({
  predicted: z.object({
    bytes: z.number(), // of the exported file
    averageBits: z.number(), // option bits per compressible weight
    bitsPerWeight: z.number(), // 8 x layer bytes / weights: scales, zero points and graph overhead counted
    sparsity: z.number(), // share of the compressible weights that are zero
    rankShare: z.number(), // mean rank kept, as a share, weighed by parameters
    seconds: z.number().nullable(), // a sample (image, token) on this machine; null where it was not measured
    loss: z.number(), // KL divergence, nats per prediction
    lossLow: z.number(), // interval of the prediction
    lossHigh: z.number(),
    source: z.string(), // how it was predicted, in words: 'measured one layer at a time on 8 windows', 'weight error only (no data)'
  }),
  budgetBytes: z.number(), // that the budget came to
  budget: z.string(), // what was asked, in words, with what was assumed on the way
  removed: z.array(z.number().int()), // blocks left out
  allocator: z.string(), // id of the method that chose
  optimal: z.boolean(), // proven the best of what is predicted
  layers: z.array(layerPlanSchema),
  recipe: recipeSchema,
  solveMs: z.number(),
})
export type Plan = z.infer<typeof planSchema>
export type LayerPlan = z.infer<typeof layerPlanSchema>
