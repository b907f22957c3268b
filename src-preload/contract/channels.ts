import { z } from 'zod'
import { channel } from './define.ts'
import { followSchema } from './follow.ts'
import { jobSchema } from './job.ts'
import {
  chatMessageSchema,
  chatSchema,
  checkpointSummarySchema,
  dataSummarySchema,
  documentsSchema,
  histogramSchema,
} from './model.ts'
import { methodSummarySchema, scoreResultSchema } from './methods.ts'
import {
  budgetSchema,
  constraintsSchema,
  methodsSchema,
  methodUseSchema,
  optionSchema,
  planSchema,
  recipeSchema,
} from './plan.ts'
import { preflightJobSchema, preflightSchema, ratesSchema } from './preflight.ts'
import { deviceSchema, projectSchema, recentProjectSchema } from './project.ts'
import {
  conversionPlanSchema,
  conversionSchema,
  frontSchema,
  importedFrontSchema,
  suggestionSchema,
} from './results.ts'
import { frontAxes } from './front-axis.ts'
import { scorePlansSchema, weighings, xraySchema } from './scores.ts'
import { shootoutSchema } from './shootout.ts'

const project = z.string().min(1) // folder of an open project
const path = z.string().min(1).max(4096)
const nothing = z.object({})
const purpose = z.enum(['checkpoint', 'data', 'project', 'export']) // of a choice of file or folder
const parameters = z.record(z.string().max(200), z.json()).default({}) // of a method, checked with its own schema
const jobStarted = z.object({ job: z.string() })

/** The whole contract: channel -> schema of arguments and result. Every door serves all of them. */
export const channels = {
  'app.info': channel(
    nothing,
    z.object({ version: z.string(), platform: z.string(), home: z.string(), door: z.string() }),
  ),
  'device.list': channel(z.object({ measure: z.boolean().default(false) }), z.array(deviceSchema)),
  /** As measured last on this machine, at the first pre-flight; null: never. `measure`: now. */
  'machine.rates': channel(z.object({ measure: z.boolean().default(false) }), ratesSchema.nullable()),
  'method.list': channel(nothing, z.array(methodSummarySchema)),

  /** Server-side folder listing for a file chooser; null path = the user's home. `openable`: looks like what is to be chosen,
   *  or without a purpose like anything that Lathe opens. */
  'files.list': channel(
    z.object({ folder: path.nullable(), purpose: purpose.optional() }),
    z.object({
      folder: z.string(),
      parent: z.string().nullable(),
      entries: z.array(
        z.object({
          name: z.string(),
          path: z.string(),
          kind: z.enum(['folder', 'file']),
          bytes: z.number(),
          openable: z.boolean(),
        }),
      ),
      truncated: z.boolean(),
    }),
  ),
  /** Native dialog where the door has one; null when cancelled. `supported: false` means: use files.list. */
  'files.pick': channel(z.object({ purpose }), z.object({ supported: z.boolean(), path: z.string().nullable() })),
  'files.reveal': channel(z.object({ path }), z.object({ supported: z.boolean() })),

  'checkpoint.inspect': channel(z.object({ path }), checkpointSummarySchema),
  'checkpoint.histogram': channel(
    z.object({ path, layer: z.string(), bins: z.number().int().min(4).max(512).default(64) }),
    histogramSchema,
  ),
  /** What lies beside the weights: configuration, tokenizer, chat template. Nothing of it is executed. */
  'checkpoint.documents': channel(z.object({ path }), documentsSchema),
  /** Renders the checkpoint's chat template, with its fuel limited. */
  'checkpoint.chat': channel(z.object({ path, messages: z.array(chatMessageSchema).min(1).max(64) }), chatSchema),
  'data.describe': channel(
    z.object({ path, checkpoint: path, split: z.enum(['auto', 'none']).default('auto') }),
    dataSummarySchema,
  ),

  'project.recent': channel(nothing, z.array(recentProjectSchema)),
  /** folder null = a new folder in the user's Lathe home. */
  'project.create': channel(
    z.object({ checkpoint: path, folder: path.nullable().default(null), data: path.nullable().default(null) }),
    projectSchema,
  ),
  'project.createSample': channel(z.object({ sample: z.enum(['language', 'vision']) }), projectSchema),
  'project.open': channel(z.object({ folder: path }), projectSchema),
  'project.get': channel(z.object({ project }), projectSchema),
  'project.forget': channel(z.object({ folder: path }), nothing),
  'project.setDevice': channel(z.object({ project, device: deviceSchema.shape.id }), projectSchema),
  /** Export format that plans, sensitivity and the front are made for from now on. */
  'project.setFormat': channel(z.object({ project, format: z.string() }), projectSchema),
  /** Quantizer and preparations that plans and runs are made with from now on. */
  'project.setMethods': channel(z.object({ project, methods: methodsSchema }), projectSchema),
  'project.setData': channel(
    z.object({ project, path: path.nullable(), split: z.enum(['auto', 'none']).default('auto') }),
    projectSchema,
  ),

  /** All of them in one pass over the calibration data, where they look at it. */
  'score.start': channel(z.object({ project, uses: z.array(methodUseSchema).min(1).max(64) }), jobStarted),
  /** The latest result of a method, or the one that was measured with these parameters. */
  'score.get': channel(
    z.object({ project, method: z.string(), parameters: z.record(z.string(), z.json()).nullable().default(null) }),
    scoreResultSchema.nullable(),
  ),
  /** Plans made with scores in place of measured losses, judged by the measured ones. Nothing is run. */
  'score.plans': channel(
    z.object({
      project,
      methods: z.array(z.string().max(100)).max(64),
      budgets: z.array(budgetSchema).min(1).max(32),
      weighing: z.enum(weighings).default('rank'),
    }),
    scorePlansSchema,
  ),
  /** Channels, spectrum and inputs of one layer; kept. */
  'layer.xray': channel(z.object({ project, layer: z.string() }), xraySchema),
  /** Measure each layer x option swapped in alone; stored, never measured twice. */
  'sensitivity.start': channel(
    z.object({
      project,
      samples: z.number().int().positive().optional(),
      /** Runs all options; else enough of each layer's to tell the others from. Without: as the network's size asks for. */
      every: z.boolean().optional(),
      pairs: z.boolean().default(false), // also layers of one dependency block together
      latency: z.boolean().default(false), // also seconds of each shape and form on this machine
    }),
    jobStarted,
  ),
  /** Tries quantizers (null: all that can be) on one layer; stored, never tried twice. */
  'shootout.start': channel(
    z.object({
      project,
      layer: z.string(),
      methods: z.array(z.string().max(100)).min(1).max(64).nullable().default(null),
    }),
    jobStarted,
  ),
  /** What was tried so far, while the job runs too. */
  'shootout.get': channel(z.object({ project, layer: z.string() }), shootoutSchema),
  'option.list': channel(
    z.object({ project }),
    z.array(
      z.object({
        name: z.string(),
        options: z.array(optionSchema.extend({ bytes: z.number(), loss: z.number().nullable() })),
      }),
    ),
  ),

  /** Solves the budgeted choice now; fast enough to follow a slider. */
  'plan.solve': channel(
    z.object({
      project,
      budget: budgetSchema,
      uniform: z.boolean().default(false),
      locked: z.record(z.string(), z.string()).default({}), // layer -> option id that must stay
      constraints: constraintsSchema.prefault({}),
      allocator: z.string().nullable().default(null), // null: the exact one that knows all the constraints
    }),
    planSchema,
  ),
  /** What a moving hand is answered from without asking again: every plan that a budget passes through. */
  'plan.follow': channel(
    z.object({
      project,
      locked: z.record(z.string(), z.string()).default({}),
      constraints: constraintsSchema.prefault({}),
    }),
    followSchema,
  ),
  /** Memory, disk and time that a job will take, before it is started. */
  'plan.preflight': channel(z.object({ project, job: preflightJobSchema }), preflightSchema),
  'run.start': channel(
    z.object({
      project,
      recipe: recipeSchema,
      name: z.string().max(120).optional(),
      evaluate: z.boolean().default(true),
    }),
    jobStarted,
  ),
  /** The smallest file that loses at most this share (of accuracy, or of perplexity), found by running and measuring along the
   *  predicted curve. The job's result is the variant. */
  'floor.start': channel(
    z.object({
      project,
      lose: z.number().positive().max(1),
      locked: z.record(z.string(), z.string()).default({}),
      constraints: constraintsSchema.prefault({}),
      allocator: z.string().nullable().default(null), // that makes the plans; null: the exact one that knows all the constraints
    }),
    jobStarted,
  ),
  'variant.pin': channel(z.object({ project, variant: z.string(), pinned: z.boolean() }), projectSchema),
  'variant.rename': channel(
    z.object({ project, variant: z.string(), name: z.string().min(1).max(120) }),
    projectSchema,
  ),
  'variant.remove': channel(z.object({ project, variant: z.string() }), projectSchema),
  'variant.recipe': channel(z.object({ project, variant: z.string() }), recipeSchema),
  /** Judges a variant (null: the checkpoint itself) against the checkpoint, or against another checkpoint. */
  'evaluate.start': channel(
    z.object({ project, variant: z.string().nullable(), against: path.nullable().default(null) }),
    jobStarted,
  ),
  'front.get': channel(z.object({ project }), frontSchema),
  /** Plan, run and evaluate each budget (and its uniform twin when asked), one after the other. `minutes`: what has not begun
   *  by then is left out. */
  'front.start': channel(
    z.object({
      project,
      budgets: z.array(budgetSchema).min(1).max(64),
      uniform: z.boolean().default(true),
      minutes: z.number().positive().max(1e6).nullable().default(null),
    }),
    jobStarted,
  ),
  /** The budgets that would tell most, most telling first, and how many of them fit the time. */
  'front.suggest': channel(
    z.object({
      project,
      points: z.number().int().min(1).max(32).default(6),
      minutes: z.number().positive().max(1e6).nullable().default(null),
    }),
    suggestionSchema,
  ),
  /** Keeps the measured front of another project beside this one's. */
  'front.compare': channel(z.object({ project, folder: path }), importedFrontSchema),
  /** The same from a CSV or JSON file: label, bytes and metrics. */
  'front.import': channel(z.object({ project, path }), importedFrontSchema),
  'front.forget': channel(z.object({ project, id: z.string().min(1).max(100) }), nothing),
  /** The front as a document: a picture, a table, or a page that needs nothing else. */
  'front.export': channel(
    z.object({ project, as: z.enum(['svg', 'csv', 'html']), x: z.enum(frontAxes).default('size') }),
    z.object({ name: z.string(), type: z.string(), text: z.string() }),
  ),
  'export.start': channel(
    z.object({
      project,
      variant: z.string(),
      format: z.string().optional(), // without: the one the variant was planned for
      parameters,
      path,
      overwrite: z.boolean().default(false),
    }),
    jobStarted,
  ),

  /** Bytes and per-layer types of a plain conversion, before anything is written. */
  'convert.plan': channel(z.object({ checkpoint: path, format: z.string(), parameters }), conversionPlanSchema),
  /** Writes a checkpoint in another format, without plan or project. */
  'convert.start': channel(
    z.object({
      checkpoint: path,
      format: z.string(),
      parameters,
      path,
      overwrite: z.boolean().default(false),
      importance: path.nullable().default(null), // an imatrix file that weighs the rounding
      /** Instead of such a file: data to measure it on. */
      data: z
        .object({ path, split: z.enum(['auto', 'none']).default('auto') })
        .nullable()
        .default(null),
    }),
    jobStarted,
  ),
  /** What a finished conversion wrote. */
  'convert.get': channel(z.object({ job: z.string() }), conversionSchema),
  /** Mean squared input of every channel over the calibration data, as llama.cpp's imatrix file. */
  'importance.start': channel(z.object({ project, path, overwrite: z.boolean().default(false) }), jobStarted),

  'job.list': channel(nothing, z.array(jobSchema)),
  'job.cancel': channel(z.object({ job: z.string() }), nothing),
  'job.resume': channel(z.object({ job: z.string() }), nothing),
  'job.dismiss': channel(z.object({ job: z.string() }), nothing),
} as const

/** Pushed to every open window as whole snapshots. */
export const events = {
  jobs: z.array(jobSchema),
  project: projectSchema,
  /** A person asked the shell to open this: from the menu, by a second start, or from the file manager. */
  open: z.object({ purpose: z.enum(['checkpoint', 'project', 'convert']), path }),
} as const

export type Channels = typeof channels
export type ChannelName = keyof Channels
export type Arguments<N extends ChannelName> = z.input<Channels[N]['args']>
export type ParsedArguments<N extends ChannelName> = z.output<Channels[N]['args']>
export type Result<N extends ChannelName> = z.output<Channels[N]['result']>
export type Events = typeof events
export type EventName = keyof Events
export type Snapshot<E extends EventName> = z.output<Events[E]>
