// How much of a network a run takes, in multiplications by weights: what "a forward pass" is counted in.
import type { Network } from '../checkpoint/network.ts'
import { weightReader } from '../checkpoint/weights.ts'
import type { Dataset } from '../data/types.ts'
import type { Graph, Node } from '../graph/ir.ts'
import { segment } from '../graph/segment.ts'
import { openSession } from '../runtime/session.ts'
import type { DeviceId } from '../../../src-preload/contract/project.ts'

export interface Effort {
  /** Multiplications of one sample by the weights that the nodes of a graph read; nodes are those of the network. */
  of(graph: Graph): number
}

const operandOf: Record<string, number> = { MatMul: 1, Gemm: 1, Conv: 1, ConvTranspose: 1 }

/** Output channels of a node's weight, and its weights. */
function weightOf(graph: Graph, node: Node): { channels: number; weights: number } | null {
  const at = node.domain === '' ? operandOf[node.op] : undefined
  const shape = at === undefined ? undefined : graph.initializers.get(node.inputs[at] ?? '')?.shape
  if (!shape || shape.length < 2) return null
  const weights = shape.reduce((product, size) => product * size, 1)
  if (node.op === 'Conv') return { channels: shape[0] ?? 1, weights }
  const turned = node.op === 'Gemm' && node.attributes.get('transB')?.kind === 'int'
  const transposed = turned && node.attributes.get('transB')?.value === 1n
  return { channels: (transposed ? shape[0] : shape.at(-1)) ?? 1, weights }
}

const keyOf = (node: Node): string => node.outputs[0] ?? node.name

/** Measured on the shapes that one calibration sample gives. */
export async function measureEffort(
  network: Network & { graph: Graph },
  dataset: Dataset,
  device: DeviceId,
  notify: (notice: string) => void,
): Promise<Effort> {
  const { graph } = network
  const weighty = graph.nodes.flatMap((node) => {
    const weight = weightOf(graph, node)
    return weight ? [{ key: keyOf(node), ...weight }] : []
  })
  const work = new Map<string, number>()
  if (weighty.length > 0) {
    const part = segment(graph, { outputs: [...new Set(weighty.map(({ key }) => key))] })
    const session = await openSession(part, weightReader(network), { device }, notify)
    try {
      for await (const { feeds, size } of dataset.calibrate.batches({ batchSize: 1, limit: 1 })) {
        const given = Object.fromEntries(Object.entries(feeds).filter(([name]) => session.inputNames.includes(name)))
        const values = await session.run(given)
        for (const { key, channels, weights } of weighty) {
          const elements = values[key]?.data.length ?? 0
          work.set(key, (elements * weights) / channels / size)
        }
        break
      }
    } finally {
      await session.release()
    }
  }
  return { of: (some) => some.nodes.reduce((sum, node) => sum + (work.get(keyOf(node)) ?? 0), 0) }
}
