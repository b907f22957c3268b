// Measured sensitivity: every layer under its options, alone, everything else original.
//   loss(layer, option) = mean over predicted rows of KL(p_original || p_candidate), in nats
// Layer losses of small perturbations add up (the second-order cross terms between layers average out), which is what the
// allocator relies on; compare HAWQ-V2 (Dong et al. 2020, section 3) and RD allocation (SYSTEMS.md A1).
// Every option is carried out once and its error on the layer's own inputs computed; the network is run for a few of each
// kind (anchors.ts), and engine/predict tells the others from them. Only what depends on the layer is run again
// (frontier.ts): L layers and K options take less than L K / 2 + L forward passes even where all are measured.
import type { Option } from '../../../src-preload/contract/plan.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { toFault } from '../../../src-preload/contract/fault.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import { readMatrix } from '../checkpoint/weights.ts'
import type { Dataset } from '../data/types.ts'
import type { Importance } from '../export/define.ts'
import type { TaskContext, TaskResult } from '../protocol.ts'
import { dequantize } from '../quantize/dequantize.ts'
import { anchorsOf, type Candidate } from './anchors.ts'
import { hessiansFor, type LayerHessians } from './inputs.ts'
import { type Referee, refereeFor } from './referee.ts'
import { openStart, openSwap, type Passes, type Start } from './swap.ts'
import { openTrial, type Tried, tryOption } from './tried.ts'

export interface LayerOptions {
  options: readonly Option[]
  /** Measured before: they need not be again, and tell of the others. */
  known?: readonly (Omit<Candidate, 'error'> & { error: number | null })[]
}

export interface SensitivityArguments {
  network: Network
  dataset: Dataset | null
  block: number // -1: layers outside blocks
  samples: number
  device: DeviceId
  layers: ReadonlyMap<string, LayerOptions>
  every: boolean // run the network for every option
  importance: Importance | null
}

type Result = TaskResult<'sensitivity'>
type LayerLosses = Result['layers'][number]
type Losses = LayerLosses['losses']

/** Losses of one block's layers. Without data, or without a graph to run, there are weight errors alone. */
export async function measureSensitivity(args: SensitivityArguments, context: TaskContext): Promise<Result> {
  const { network, dataset, block, samples, device } = args
  const notices: string[] = []
  const heard = { ...context, notify: (notice: string) => (notices.push(notice), context.notify(notice)) }
  const layers = network.layers.filter(
    (layer) => layer.compressible && (layer.block ?? -1) === block && args.layers.has(layer.name),
  )
  const step = countdown(layers, args, context)
  const passes: Passes = { count: 0 }
  const common = { samples: 0, notices, passes: 0 }
  if (dataset === null || network.graph === null) {
    const measured: LayerLosses[] = []
    for (const layer of layers) {
      const { tried, failed } = await tryAll(layer, args, null, heard, step)
      measured.push({ name: layer.name, losses: [...tried.map((each) => lossOf(each, null)), ...failed] })
    }
    return { ...common, layers: measured, source: 'weight error only (no data)' }
  }
  const key = { network, dataset, samples, device }
  const hessians = await hessiansFor(key, layers, passes, heard)
  const referee = await refereeFor(key, heard)
  const { samples: used } = referee.calibration
  if (used < samples)
    heard.notify(`Asked for ${samples} calibration samples, the data has ${used}: all of them are used.`)
  const groups = layers.map((layer) => [layer])
  const start = await openStart(referee, groups, block, device, passes, heard)
  const measured: LayerLosses[] = []
  let standIns = 0
  for (const [index, layer] of layers.entries()) {
    const { tried, failed } = await tryAll(layer, args, hessians, heard, step)
    standIns += tried.filter(({ standIn }) => standIn !== null).length
    const at = { referee, start, index, layer, passes }
    measured.push({ name: layer.name, losses: [...(await measureLayer(at, tried, args, heard, step)), ...failed] })
  }
  const more = standIns > 0 ? ', plain options of the same form standing in where inputs are not known' : ''
  const source = `measured one layer at a time on ${used} ${dataset.unit}${more}`
  return { ...common, layers: measured, samples: used, source, passes: passes.count }
}

interface Place {
  referee: Referee
  start: Start
  index: number
  layer: Layer
  passes: Passes
}

async function measureLayer(
  { referee, start, index, layer, passes }: Place,
  tried: readonly Tried[],
  { every, layers, device }: SensitivityArguments,
  context: TaskContext,
  step: Step,
): Promise<Losses> {
  const before = layers.get(layer.name)?.known ?? []
  const skip = new Set(before.map(({ id }) => id))
  const known = before.flatMap((one) => {
    const error = one.error ?? tried.map(candidateOf).find(({ id }) => id === one.id)?.error
    return error === undefined ? [] : [{ ...one, error }]
  })
  const open = tried.filter(({ option }) => !skip.has(option.id))
  const site = start.sites[index]
  const chosen = every ? new Set(open.map(({ option }) => option.id)) : anchorsOf(open.map(candidateOf), known)
  if (chosen.size === 0 || site === undefined) return tried.map((each) => lossOf(each, null))
  const swap = await openSwap(referee, site, start.batches, device, passes, context)
  const losses: Losses = []
  try {
    for (const each of tried) {
      const isChosen = chosen.has(each.option.id)
      const found = isChosen ? await swap.loss(new Map([[layer, dequantize(each.matrix)]])) : null
      if (found !== null && Number.isNaN(found.loss))
        context.notify(
          `${layer.name}: with ${each.option.id} the network's answers are not finite; it is not planned with.`,
        )
      losses.push(lossOf(each, found))
      step(layer, isChosen ? 1 : 0)
    }
  } finally {
    await swap.release()
  }
  return losses
}

const candidateOf = ({ option, error, outputError }: Tried): Candidate => ({
  id: option.id,
  method: option.method,
  error: outputError ?? error,
})

function lossOf(
  { option, error, outputError }: Tried,
  found: { loss: number; standardError: number | null } | null,
): Losses[number] {
  const broken = found !== null && !Number.isFinite(found.loss)
  return {
    option: option.id,
    loss: found === null || broken ? null : found.loss,
    ...{ error, outputError, broken },
    standardError: found === null || broken ? null : found.standardError,
  }
}

/** Every option of a layer, carried out. One that cannot be is left out, and said. */
async function tryAll(
  layer: Layer,
  { network, layers, importance, device }: SensitivityArguments,
  hessians: LayerHessians | null,
  context: TaskContext,
  step: Step,
): Promise<{ tried: Tried[]; failed: Losses }> {
  const options = (layers.get(layer.name)?.options ?? []).filter(({ method }) => method !== 'keep')
  if (options.length === 0) return { tried: [], failed: [] }
  const known = { hessians: hessians?.get(layer.name) ?? null, importance, device }
  const trial = await openTrial(layer, readMatrix(network, layer), known)
  const tried: Tried[] = []
  const failed: Losses = []
  for (const option of options) {
    try {
      tried.push(await tryOption(trial, option))
    } catch (error) {
      const fault = toFault(error)
      if (fault.code === 'bad-input' || fault.code === 'internal' || fault.code === 'device') throw fault
      context.notify(`${layer.name}: ${option.id} cannot be carried out and is not planned with. ${fault.message}`)
      const nothing = { loss: null, standardError: null, outputError: null }
      failed.push({ option: option.id, ...nothing, error: 1, broken: true })
    }
    step(layer, 1)
  }
  return { tried, failed }
}

type Step = (layer: Layer, done: number) => void

/** Carrying an option out and running the network for it count alike. */
function countdown(
  layers: readonly Layer[],
  { layers: wanted, every }: SensitivityArguments,
  context: TaskContext,
): Step {
  const counts = layers.map(({ name }) => wanted.get(name)?.options.length ?? 0)
  const total = counts.reduce((sum, count) => sum + count + (every ? count : Math.min(3, count)), 0)
  let done = 0
  return ({ name }, count) =>
    context.progress({ fraction: Math.min(1, (done += count) / Math.max(1, total)), step: name })
}
