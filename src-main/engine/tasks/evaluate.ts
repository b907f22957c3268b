import type { Network } from '../checkpoint/network.ts'
import { toMemoryOrder } from '../checkpoint/weights.ts'
import { evaluateNetwork } from '../evaluate/evaluate.ts'
import type { Artifact, TaskContext, Tasks } from '../protocol.ts'
import { readArtifact } from '../quantize/artifact.ts'
import { dequantize } from '../quantize/dequantize.ts'
import { cachedDataset, cachedNetwork, layerOf } from './cache.ts'

/** The variant's weights as the exported file will compute them. */
export const overridesOf = (network: Network, artifacts: readonly Artifact[]): Map<string, Float32Array> =>
  new Map(
    artifacts.map(({ layer, path }) => [layer, toMemoryOrder(layerOf(network, layer), dequantize(readArtifact(path)))]),
  )

/** Quality of the original or of a variant on one part of a data set. */
export async function evaluate(
  args: Tasks['evaluate']['args'],
  context: TaskContext,
): Promise<Tasks['evaluate']['result']> {
  const { checkpoint, prepared, artifacts, part, device } = args
  const network = cachedNetwork(checkpoint, artifacts === null ? [] : prepared)
  const dataset = await cachedDataset(checkpoint, args.data)
  const overrides = artifacts === null ? null : overridesOf(network, artifacts)
  const rewritten = artifacts !== null && prepared.length > 0 ? cachedNetwork(checkpoint) : undefined
  const against = args.against === null ? rewritten : cachedNetwork(args.against)
  return evaluateNetwork({ network, dataset, part, overrides, against, device }, context)
}
