// The network with some weights swapped, everything else original: runs only what depends on them.
import { fromFloat32 } from '../checkpoint/convert.ts'
import type { Layer } from '../checkpoint/network.ts'
import { toMemoryOrder, weightReader } from '../checkpoint/weights.ts'
import { cutBefore, segment } from '../graph/segment.ts'
import type { TaskContext } from '../protocol.ts'
import type { WeightMatrix } from '../quantize/types.ts'
import { openSession } from '../runtime/session.ts'
import { fromBytes } from '../runtime/tensors.ts'
import type { Session, TensorValue } from '../runtime/types.ts'
import type { CalibrationBatch } from './calibration.ts'
import { frontierOf } from './frontier.ts'
import type { Referee } from './referee.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'

/** Values beside a block's border that its layers begin from may take this much; beyond it all begin at the border. */
const mostFrontierBytes = 2 ** 30

export interface Divergence {
  loss: number // mean KL(original || changed) over scored rows, nats; NaN where the changed network's answers are not finite
  standardError: number | null // of the mean over the samples; null below two
  means: readonly number[] // of each sample
}

export interface Site {
  layers: readonly Layer[]
  frontier: string[]
  /** Forward work of one measurement, as a share of a whole pass. */
  share: number
}

/** Work done so far, in forward passes over all samples. */
export interface Passes {
  count: number
}

/** The batches with what the sites begin from; counts what computing it took. */
export interface Start {
  sites: Site[]
  batches: CalibrationBatch[]
}

/** Where each group of layers begins, and the values there: computed once from the border of the block they lie in. */
export async function openStart(
  referee: Referee,
  groups: readonly (readonly Layer[])[],
  block: number,
  device: DeviceId,
  passes: Passes,
  context: TaskContext,
): Promise<Start> {
  const { graph, calibration, network } = referee
  const own = network.blocks.find(({ index }) => index === block)
  const border = own ? cutBefore(network.graph, own) : []
  const fresh = groups.map((layers) => frontierOf(graph, new Set(layers.map(({ name }) => name))) ?? [])
  const wanted = [...new Set(fresh.flat())]
  const feasible = wanted.length === 0 ? null : tryValues(referee, border, wanted)
  const started = await calibration.at(border, context)
  const values = feasible && (await valuesAt(referee, started, feasible, device, passes, context))
  const cuts = values ? fresh : groups.map((layers) => cutFor(referee, border, layers))
  const sites = groups.map((layers, index): Site => {
    const frontier = cuts[index] ?? []
    return { layers, frontier, share: shareOf(referee, frontier, layers) }
  })
  return { sites, batches: values ?? started }
}

/** A weight that is read before the border too is swapped in the whole network. */
function cutFor({ graph }: Referee, border: string[], layers: readonly Layer[]): string[] {
  if (border.length === 0) return []
  const before = segment(graph, { outputs: border }).initializers
  return layers.some(({ name }) => before.has(name)) ? [] : border
}

function shareOf(
  { graph, output, effort, passWork, compareWork }: Referee,
  frontier: string[],
  layers: readonly Layer[],
) {
  const part = segment(graph, { inputs: frontier, outputs: [output] })
  const runs = layers.some(({ name }) => part.initializers.has(name))
  return ((runs ? effort.of(part) : 0) + compareWork) / passWork
}

/** The part of the graph that gives `wanted` from a border; from the start where it cannot be had from there, null where
 *  a value cannot leave a session. */
function tryValues({ graph, output }: Referee, border: string[], wanted: string[]) {
  const known = new Set(wanted)
  const lost = segment(graph, { inputs: border, outputs: [output] })
  const reachable = new Set(lost.nodes.flatMap(({ outputs }) => outputs).concat(border))
  const from = wanted.every((name) => reachable.has(name)) ? border : []
  try {
    const outputs = [...known].filter((name) => !from.includes(name))
    return { from, outputs, part: outputs.length === 0 ? null : segment(graph, { inputs: from, outputs }) }
  } catch {
    return null // a value that no cut gives
  }
}

async function valuesAt(
  referee: Referee,
  started: readonly CalibrationBatch[],
  { part, outputs }: { part: ReturnType<typeof segment> | null; outputs: string[] },
  device: DeviceId,
  passes: Passes,
  context: TaskContext,
): Promise<CalibrationBatch[] | null> {
  if (part === null) return [...started]
  let session: Session
  try {
    session = await openSession(part, weightReader(referee.network), { device }, context.notify)
  } catch {
    return null // a value of a type that no session gives
  }
  try {
    let bytes = 0
    const found: CalibrationBatch[] = []
    for (const { batch, values } of started) {
      const given = feedsFor(session, [Object.fromEntries(values), batch.feeds])
      const made = await session.run(given, outputs)
      bytes += Object.values(made).reduce((sum, { data }) => sum + data.byteLength, 0)
      if (bytes > mostFrontierBytes) return null
      found.push({ batch, values: new Map([...values, ...Object.entries(made)]) })
    }
    passes.count += referee.effort.of(part) / referee.passWork
    return found
  } catch {
    return null // all then begin at the border; what is wrong with the network itself shows there, and is told
  } finally {
    await session.release()
  }
}

export interface Swap {
  loss(weights: ReadonlyMap<Layer, WeightMatrix>): Promise<Divergence>
  release(): Promise<void>
}

/** Opens a site: its layers' weights become inputs, so another candidate needs no new session. */
export async function openSwap(
  referee: Referee,
  { layers, frontier, share }: Site,
  batches: readonly CalibrationBatch[],
  device: DeviceId,
  passes: Passes,
  context: TaskContext,
): Promise<Swap> {
  const { network, output } = referee
  const part = segment(referee.graph, { inputs: frontier, outputs: [output] })
  const reader = weightReader(network)
  const original = new Map(
    layers.flatMap(({ name }): [string, TensorValue][] => {
      const initializer = part.initializers.get(name)
      return initializer ? [[name, fromBytes(initializer.dtype, initializer.shape, reader(name))]] : []
    }),
  )
  const outside = referee.headOutside ? layers.find(({ name }) => name === network.head?.weight) : undefined
  if (original.size === 0 && outside === undefined) return untouched
  const session = await openSession(part, reader, { device, weightInputs: [...original.keys()] }, context.notify)
  return {
    async loss(weights) {
      const fed = new Map(original)
      let head: Float32Array | undefined
      for (const [layer, weight] of weights) {
        const memory = toMemoryOrder(layer, weight)
        const place = original.get(layer.name)
        if (place) fed.set(layer.name, fromBytes(place.dtype, place.dims, fromFloat32(memory, place.dtype)))
        if (layer === outside) head = memory
      }
      const means: number[] = []
      let [sum, rows] = [0, 0]
      for (const [index, { batch, values }] of batches.entries()) {
        const given = [Object.fromEntries(fed), Object.fromEntries(values), referee.feeds(index), batch.feeds]
        const made = (await session.run(feedsFor(session, given), [output]))[output]
        if (made === undefined) continue
        const kl = await referee.compare(index, made, head)
        for (const value of Array.from(kl)) sum += value
        rows += kl.length
        means.push(...sampleMeans(kl, batch.size))
      }
      passes.count += share
      return { loss: rows === 0 ? 0 : clean(sum / rows), standardError: standardErrorOf(means), means }
    },
    release: () => session.release(),
  }
}

/** Nothing that is judged depends on these weights. */
const untouched: Swap = {
  loss: () => Promise.resolve({ loss: 0, standardError: 0, means: [] }),
  release: () => Promise.resolve(),
}

/** Rounding can bring a divergence of nothing below zero. */
const clean = (loss: number): number => (loss < 0 ? 0 : Number.isFinite(loss) ? loss : Number.NaN)

/** Means of the rows of each sample; rows lie sample after sample, as many for each. */
function sampleMeans(kl: ArrayLike<number>, samples: number): number[] {
  const each = Math.max(1, Math.floor(kl.length / Math.max(1, samples)))
  const means: number[] = []
  for (let begin = 0; begin + each <= kl.length; begin += each) {
    let sum = 0
    for (let row = begin; row < begin + each; row++) sum += kl[row] ?? 0
    means.push(sum / each)
  }
  return means
}

/** Of a mean over samples; null below two. */
export function standardErrorOf(means: readonly number[]): number | null {
  const n = means.length
  if (n < 2) return null
  const mean = means.reduce((sum, value) => sum + value, 0) / n
  const squares = means.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const error = Math.sqrt(squares / (n - 1) / n)
  return Number.isFinite(error) ? error : null
}

function feedsFor(session: Session, sources: readonly Record<string, TensorValue>[]): Record<string, TensorValue> {
  const feeds: Record<string, TensorValue> = {}
  for (const name of session.inputNames) {
    const value = sources.find((source) => Object.hasOwn(source, name))?.[name]
    if (value !== undefined) feeds[name] = value
  }
  return feeds
}
