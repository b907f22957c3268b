// Hessians of a network's layers on its own activations, in one pass: what a layer's inputs look like before anything is
// compressed. A calibrated run (compress.ts) takes them block by block from compressed activations instead.
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { Network } from '../checkpoint/network.ts'
import { weightReader } from '../checkpoint/weights.ts'
import type { Batch, Dataset } from '../data/types.ts'
import type { Graph } from '../graph/ir.ts'
import { segment } from '../graph/segment.ts'
import type { Hessian } from '../kernels/linear/types.ts'
import type { TaskContext } from '../protocol.ts'
import { openSession } from '../runtime/session.ts'
import type { Session, TensorValue } from '../runtime/types.ts'
import { batchesOf, samplesOf } from './batches.ts'
import { layerInputs, type LayerInput } from './inputs.ts'
import { realRows } from './rows.ts'
import { createSums } from './sums.ts'
import { sampleMask, watch } from './watch.ts'

/** Hessians that grow at the same time take at most this; beyond it there are several passes. */
const mostBytes = 2 ** 30

export interface CollectOptions {
  layers?: readonly string[] // default: all that are compressible
  samples: number
  device: DeviceId
}

/**
 * Mean of x x^T [size, size] over the rows that enter each layer; one for each group of a convolution. Layers that share
 * their input share the arrays. Lookups, recurrent layers and layers inside subgraphs have no entry.
 * Faults 'unsupported' without a graph, 'bad-data' without samples or where an activation is not finite.
 */
export async function collectHessians(
  network: Network,
  dataset: Dataset,
  options: CollectOptions,
  context: TaskContext,
): Promise<Map<string, Hessian[]>> {
  const graph = graphOf(network)
  const samples = samplesOf(dataset, options.samples, context.notify)
  const wanted = options.layers && new Set(options.layers)
  const inputs = layerInputs(network, graph).filter(({ layer }) => wanted?.has(layer.name) ?? true)
  const passes = cutPasses(inputs)
  const found = new Map<string, Hessian[]>()
  for (const [at, pass] of passes.entries()) {
    const progress = (done: number) =>
      context.progress({ fraction: (at + done / samples) / passes.length, step: `${done} of ${samples} samples` })
    for (const [layer, hessians] of await collectPass(
      { network, dataset, graph, pass, samples },
      options,
      context,
      progress,
    ))
      found.set(layer, hessians)
  }
  return found
}

interface Pass {
  network: Network
  dataset: Dataset
  graph: Graph
  pass: readonly LayerInput[]
  samples: number
}

async function collectPass(
  { network, dataset, graph, pass, samples }: Pass,
  { device }: CollectOptions,
  context: TaskContext,
  progress: (done: number) => void,
): Promise<Map<string, Hessian[]>> {
  const { graph: watching, watched } = watch(graph, pass)
  const outputs = watched.flatMap(({ output, count, picked }) =>
    [output, count, picked].filter((name) => name !== null),
  )
  const part = segment(watching, { outputs: [...new Set(outputs)] })
  const session = await openSession(part, weightReader(network), { device }, context.notify)
  const sums = watched.map((each) => createSums(each, network.name, device))
  try {
    let done = 0
    for await (const batch of batchesOf(network, dataset, samples)) {
      const rows = realRows(network, batch)
      const values = await session.run(feedsFor(session, batch, rows.samples, new Map()))
      for (const sum of sums) await sum.add(values, rows, batch.size)
      progress((done += batch.size))
    }
  } finally {
    await session.release()
  }
  return new Map(
    watched.flatMap(({ layers }, i) => {
      const hessians = sums[i]?.finish() ?? []
      return layers.map((layer): [string, Hessian[]] => [layer, hessians])
    }),
  )
}

/** A session's inputs from a batch, from values kept before, and from weights. */
export function feedsFor(
  session: Pick<Session, 'inputNames'>,
  batch: Batch,
  samples: number, // idle ones included
  given: ReadonlyMap<string, TensorValue>,
): Record<string, TensorValue> {
  const feeds: Record<string, TensorValue> = {}
  for (const name of session.inputNames) {
    const value = given.get(name) ?? batch.feeds[name]
    if (value !== undefined) feeds[name] = value
    else if (name === sampleMask)
      feeds[name] = {
        dtype: 'float32',
        dims: [samples],
        data: Float32Array.from({ length: samples }, (_, i) => +(i < batch.size)),
      }
  }
  return feeds
}

export function graphOf(network: Network): Graph {
  if (network.graph !== null) return network.graph
  throw new Fault('unsupported', `${network.name} holds tensors only: there is no graph to run on data.`, {
    hint: 'Choose a method that needs weights only, or open a checkpoint with its graph.',
    data: { file: network.path },
  })
}

function cutPasses(inputs: readonly LayerInput[]): LayerInput[][] {
  const passes: LayerInput[][] = []
  const seen = new Map<string, LayerInput[]>()
  let bytes = Infinity
  for (const input of inputs) {
    const known = seen.get(input.key)
    if (known) {
      known.push(input)
      continue
    }
    const own = input.groups * input.size ** 2 * 4
    if (bytes + own > mostBytes) {
      passes.push([])
      bytes = 0
    }
    bytes += own
    const pass = passes.at(-1) ?? []
    pass.push(input)
    seen.set(input.key, pass)
  }
  return passes
}
