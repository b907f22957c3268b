import type { DeviceId } from '../../../src-preload/contract/project.ts'
import type { Layer, Network } from '../checkpoint/network.ts'
import { weightReader } from '../checkpoint/weights.ts'
import type { Dataset } from '../data/types.ts'
import type { Graph, Node } from '../graph/ir.ts'
import { segment } from '../graph/segment.ts'
import { openSession } from '../runtime/session.ts'
import type { TensorValue } from '../runtime/types.ts'

/** Where a layer's weight is multiplied, and what enters there for one sample: an image, or one token of a text. */
export interface LatencySite {
  layer: Layer
  node: Node
  value: string // that enters
  input: TensorValue
  shape: string // all that its time depends on beside the form of the weight
}

const timed = new Set(['MatMul', 'Gemm', 'Conv', 'ConvTranspose'])

/** Layers that one operator multiplies by. Lookups and layers inside subgraphs take no time worth planning with. */
export async function findSites(
  network: Network & { graph: Graph },
  dataset: Dataset,
  wanted: ReadonlySet<string>,
  device: DeviceId,
  notify: (notice: string) => void,
): Promise<LatencySite[]> {
  const { graph } = network
  const made = new Set([...graph.inputs.map(({ name }) => name), ...graph.nodes.flatMap(({ outputs }) => outputs)])
  const found = network.layers.flatMap((layer) => {
    if (!wanted.has(layer.name)) return []
    const node = graph.nodes.find(
      ({ op, domain, inputs }) => domain === '' && timed.has(op) && inputs.includes(layer.name),
    )
    const value = node?.inputs.find((input) => made.has(input))
    return node && value !== undefined ? [{ layer, node, value }] : []
  })
  const outside = [...new Set(found.map(({ value }) => value))].filter((name) =>
    graph.nodes.some(({ outputs }) => outputs.includes(name)),
  )
  const values = await valuesOf(network, dataset, outside, device, notify)
  return found.flatMap((site) => {
    const seen = values[site.value]
    if (!seen || seen.dtype !== 'float32') return []
    const input = network.head === null ? seen : oneToken(seen)
    const attributes = [...site.node.attributes].map(([name, attribute]) =>
      'value' in attribute && attribute.kind !== 'graph' && attribute.kind !== 'tensor'
        ? [name, String(attribute.value)]
        : [name],
    )
    const { shape, order } = site.layer
    return [{ ...site, input, shape: JSON.stringify([site.node.op, shape, order, input.dims, attributes]) }]
  })
}

async function valuesOf(
  network: Network & { graph: Graph },
  dataset: Dataset,
  outputs: string[],
  device: DeviceId,
  notify: (notice: string) => void,
): Promise<Record<string, TensorValue>> {
  for await (const { feeds } of dataset.calibrate.batches({ batchSize: 1, limit: 1 })) {
    if (outputs.length === 0) return feeds
    const part = segment(network.graph, { outputs })
    const session = await openSession(part, weightReader(network), { device }, notify)
    try {
      const given = Object.fromEntries(Object.entries(feeds).filter(([name]) => session.inputNames.includes(name)))
      return { ...feeds, ...(await session.run(given)) }
    } finally {
      await session.release()
    }
  }
  return {}
}

/** A language model speaks one token at a time: the last axis is what enters, whatever rows lie before it. */
function oneToken({ dtype, dims, data }: TensorValue): TensorValue {
  const width = dims.at(-1) ?? 1
  return { dtype, dims: [...dims.slice(0, -1).map(() => 1), width], data: data.slice(0, width) }
}
