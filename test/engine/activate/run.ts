// Networks, data and captured activations for the tests of rounded activations.
import { onTestFinished } from 'vitest'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../../src-main/engine/checkpoint/open.ts'
import { weightReader } from '../../../src-main/engine/checkpoint/weights.ts'
import { openDataset } from '../../../src-main/engine/data/open.ts'
import type { Measured, Preparation } from '../../../src-main/engine/prepare/define.ts'
import type { Dataset } from '../../../src-main/engine/data/types.ts'
import { evaluateNetwork } from '../../../src-main/engine/evaluate/evaluate.ts'
import { allGraphs } from '../../../src-main/engine/graph/scope.ts'
import { segment } from '../../../src-main/engine/graph/segment.ts'
import { openSession } from '../../../src-main/engine/runtime/session.ts'
import type { TensorValue } from '../../../src-main/engine/runtime/types.ts'
import { dataPath } from '../../helpers/data.ts'

export const quiet = { progress: () => undefined, notify: () => undefined }

export async function openReal(file: string, data = file): Promise<{ network: Network; dataset: Dataset }> {
  const network = openNetwork(dataPath(...file.split('/')))
  onTestFinished(() => network.source.close())
  return { network, dataset: await openDataset({ path: dataPath(data), split: 'auto' }, network) }
}

/** The network with its activations rounded; measured first where the method measures. */
export async function rounded(
  method: Preparation,
  network: Network,
  parameters: Record<string, unknown> = {},
  dataset: Dataset | null = null,
  samples = 8,
): Promise<Network> {
  let measured: Measured | null = null
  if (method.measure && dataset)
    measured = await method.measure({ network, dataset, samples, seed: 1, device: 'cpu' }, parameters, quiet)
  return method.apply(network, parameters, { seed: 1, measured })
}

/** Values of the network's graph on the first samples. */
export async function valuesOf(
  network: Network,
  dataset: Dataset,
  names: string[],
  samples: number,
): Promise<Record<string, TensorValue>> {
  if (network.graph === null) throw new Error('no graph')
  const graph = segment(network.graph, { outputs: names })
  const session = await openSession(graph, weightReader(network), { device: 'cpu', threads: 1 }, quiet.notify)
  try {
    for await (const { feeds } of dataset.evaluate.batches({ batchSize: samples, limit: samples })) {
      const known = Object.entries(feeds).filter(([name]) => session.inputNames.includes(name))
      return await session.run(Object.fromEntries(known), names)
    }
    throw new Error('no samples')
  } finally {
    await session.release()
  }
}

export const floatsOf = (value: TensorValue | undefined): Float32Array => {
  if (value?.data instanceof Float32Array) return value.data
  throw new Error(`${value?.dtype ?? 'nothing'} is not float32`)
}

/** KL divergence of the rewritten network to the original. */
export async function lossOf(network: Network, made: Network, dataset: Dataset, limit: number): Promise<number> {
  const result = await evaluateNetwork(
    { network: made, dataset, part: 'evaluate', overrides: null, against: network, device: 'cpu', limit },
    quiet,
  )
  const found = result.metrics['klDivergence']?.value
  if (found === undefined) throw new Error('no divergence was measured')
  return found
}

/** What the first reader of a weight multiplies it with. */
export function inputOf(network: Network, layer: string, slot = 0): string {
  for (const graph of network.graph ? allGraphs(network.graph) : []) {
    const reader = graph.nodes.find(({ inputs, op }) => inputs.includes(layer) && op !== 'Gather')
    if (reader) return reader.inputs[slot] ?? ''
  }
  throw new Error(`nothing reads ${layer}`)
}
