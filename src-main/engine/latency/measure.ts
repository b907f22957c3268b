// Seconds of a layer for one sample on this device, by operator, shape and form of the weight. Each is timed once, by itself,
// after a warm-up; the median of the runs counts, with the interval that the order of the runs gives.
//   median in [t_(k), t_(n+1-k)] with 95 %,  k = floor(n / 2 - 0.98 sqrt(n))   (David and Nagaraja 2003, section 7.1)
// A layer by itself finds its weights in the cache more often than inside the network; differences between forms hold.
import type { Option } from '../../../src-preload/contract/plan.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import { Fault, toFault } from '../../../src-preload/contract/fault.ts'
import type { Network } from '../checkpoint/network.ts'
import { readMatrix, weightReader } from '../checkpoint/weights.ts'
import type { Dataset } from '../data/types.ts'
import type { Graph } from '../graph/ir.ts'
import type { TaskContext, TaskResult } from '../protocol.ts'
import { openSession } from '../runtime/session.ts'
import type { TensorValue } from '../runtime/types.ts'
import { openTrial, tryOption } from '../score/tried.ts'
import { floatGraph, storedGraph } from './forms.ts'
import { floatForm, formName } from './names.ts'
import { findSites, type LatencySite } from './sites.ts'

export const runs = {
  warmUp: 3,
  mostRuns: 31,
  leastRuns: 7,
  mostSeconds: 0.3, // of the runs of one form
} as const

export interface Timing {
  seconds: number
  low: number
  high: number
  runs: number
}

export interface LatencyArguments {
  network: Network
  dataset: Dataset
  format: string
  device: DeviceId
  layers: readonly { name: string; options: readonly Option[] }[]
  known: ReadonlySet<string> // timed before: timingKey of shape and form
  whole: boolean // time the network too
}

export const timingKey = (shape: string, form: string): string => `${shape} ${form}`

export async function measureLatency(args: LatencyArguments, context: TaskContext): Promise<TaskResult<'latency'>> {
  const { dataset, format, device, layers } = args
  const { graph } = args.network
  if (graph === null)
    throw new Fault('unsupported', `${args.network.name} holds tensors only: there is nothing to time.`, {
      data: { file: args.network.path },
    })
  const network = { ...args.network, graph }
  const options = new Map(layers.map((layer) => [layer.name, layer.options]))
  const sites = await findSites(network, dataset, new Set(options.keys()), device, context.notify)
  const known = new Set(args.known)
  const times: TaskResult<'latency'>['times'] = []
  const note = (site: LatencySite, form: string, timing: Timing): void => {
    known.add(timingKey(site.shape, form))
    times.push({ shape: site.shape, form, ...timing })
  }
  for (const [index, site] of sites.entries()) {
    const step = { fraction: index / Math.max(1, sites.length), step: site.layer.name }
    context.progress(step)
    if (!known.has(timingKey(site.shape, floatForm))) {
      const { graph: own, weights } = floatGraph(network, site)
      note(site, floatForm, await timeGraph(own, weights, site, device, context))
    }
    for (const option of options.get(site.layer.name) ?? []) {
      const form = formName(format, option)
      if (known.has(timingKey(site.shape, form))) continue
      context.progress({ ...step, step: `${site.layer.name}: ${option.id}` })
      const timing = await timeOption(network, site, format, option, device, context)
      if (timing) note(site, form, timing)
      else known.add(timingKey(site.shape, form))
    }
  }
  const shapes = sites.map(({ layer, shape }) => ({ layer: layer.name, shape }))
  return { shapes, times, whole: args.whole ? await timeWhole(network, dataset, device, context) : null }
}

/** null, and said, where the option has no form that can be run here. */
async function timeOption(
  network: Network & { graph: Graph },
  site: LatencySite,
  format: string,
  option: Option,
  device: DeviceId,
  context: TaskContext,
): Promise<Timing | null> {
  try {
    const trial = await openTrial(site.layer, readMatrix(network, site.layer), {
      ...{ hessians: null, importance: null, device },
    })
    // Which codes are chosen does not change the time: nothing needs to be known of the inputs.
    const plain = { ...option, parameters: { ...option.parameters, weighted: false, feedback: false } }
    const { matrix } = await tryOption(trial, plain)
    const stored = storedGraph(network, site, format, matrix)
    return stored && (await timeGraph(stored.graph, stored.weights, site, device, context))
  } catch (error) {
    context.notify(`${site.layer.name}: ${option.id} is not timed. ${toFault(error).message}`)
    return null
  }
}

async function timeGraph(
  graph: Graph,
  weights: Parameters<typeof openSession>[1],
  { input }: LatencySite,
  device: DeviceId,
  { notify }: TaskContext,
): Promise<Timing> {
  const session = await openSession(graph, weights, { device }, notify)
  try {
    const [name = ''] = session.inputNames
    return await timeRuns(() => session.run({ [name]: input }))
  } finally {
    await session.release()
  }
}

/** The whole network in floats, on one sample; of a language model on one token. */
async function timeWhole(
  network: Network & { graph: Graph },
  dataset: Dataset,
  device: DeviceId,
  { notify }: TaskContext,
): Promise<Timing | null> {
  const session = await openSession(network.graph, weightReader(network), { device }, notify)
  try {
    for await (const { feeds } of dataset.calibrate.batches({ batchSize: 1, limit: 1 })) {
      const known = Object.entries(feeds).filter(([name]) => session.inputNames.includes(name))
      const given = network.head === null ? known : known.map(([name, value]) => [name, firstToken(value)])
      const fed = Object.fromEntries(given) as Record<string, TensorValue>
      return await timeRuns(() => session.run(fed))
    }
    return null
  } finally {
    await session.release()
  }
}

/** Of a text, one token: what a language model is asked at a time. */
export const firstToken = ({ dtype, dims, data }: TensorValue): TensorValue => ({
  dtype,
  dims: dims.map(() => 1),
  data: data.slice(0, 1),
})

/** Median seconds of a run, after a warm-up. */
export async function timeRuns(
  run: () => Promise<unknown>,
  now: () => number = () => performance.now(),
): Promise<Timing> {
  const { warmUp, mostRuns, leastRuns, mostSeconds } = runs
  for (let i = 0; i < warmUp; i++) await run()
  const times: number[] = []
  const began = now()
  while (times.length < mostRuns && (times.length < leastRuns || now() - began < mostSeconds * 1000)) {
    const before = now()
    await run()
    times.push((now() - before) / 1000)
  }
  return medianOf(times)
}

export function medianOf(values: readonly number[]): Timing {
  const sorted = [...values].sort((a, b) => a - b)
  const n = sorted.length
  const at = (index: number): number => sorted[Math.min(n - 1, Math.max(0, index))] ?? 0
  const seconds = (at(Math.floor((n - 1) / 2)) + at(Math.ceil((n - 1) / 2))) / 2
  const k = Math.max(1, Math.floor(n / 2 - 0.98 * Math.sqrt(n)))
  return { seconds, low: at(k - 1), high: at(n - k), runs: n }
}
